// SPDX-License-Identifier: Apache-2.0
// The driver does for every pass what none should do itself: goes through regions, drops dead nodes, times, verifies,
// prints (MJ_DEBUG=3), obeys MJ_PASSES=-name,... and leaves a reproducer in MJ_DUMP when a pass fails.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "passes/pass.h"

namespace mj {

struct Stage {
  std::string name;
  std::vector<Pass> passes;
  int rounds = 1;  // at most; it ends with the first round in which no pass changes anything
};

// One pass over the graph and its regions, innermost first. The graph is normalised afterwards.
Result<bool> run_pass(Graph& graph, const Pass& pass, const PassContext& context);
Result<void> run_stage(Graph& graph, const Stage& stage, const PassContext& context);

}  // namespace mj
