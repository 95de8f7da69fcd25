// SPDX-License-Identifier: Apache-2.0
// The oracle's graph: the model with its Q/DQ regions as the integers that they mean. What each region wrote in f32 is
// kept beside it, over the same bytes, so that the integers are compared with it region by region: a rounding that
// falls the other way is one step there, while further down a deep network would multiply it.
#pragma once

#include <string>
#include <vector>

#include "ir/graph.h"

namespace mj {

struct Written {
  Graph graph;  // outputs: the model's, then for each region: integers, as written, what is rounded there
  std::vector<std::string> regions;  // the name of each one's result
  bool rounds_maths = false;         // see shaken.h; of the graph without what was written
};

// Errors are those of a pass.
Result<Written> with_written(const Graph& model);

// Takes the regions' outputs off `outputs`; an error names the first region whose two forms differ by more than a step.
Result<void> check_written(const Written& written, std::vector<Tensor>& outputs);

}  // namespace mj
