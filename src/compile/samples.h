// SPDX-License-Identifier: Apache-2.0
// Inputs to try a model with when the user gives none.
#pragma once

#include <span>
#include <vector>

#include "engine/format/manifest.h"
#include "ir/graph.h"

namespace mj {

// For each input of the graph that only indexes tensors of known size (token ids into an embedding): that size.
// 0 for the others.
std::vector<int64_t> index_limits(const Graph& graph);

// Normal noise for floats; integers below the port's index limit, else 0 or 1; false and true. The same for one seed.
// Symbols that `sizes` lacks count as `default_size`.
Result<std::vector<Tensor>> random_inputs(std::span<const Port> ports, const Bindings& sizes, int64_t default_size,
                                          uint64_t seed);

}  // namespace mj
