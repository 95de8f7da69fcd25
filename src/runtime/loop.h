// SPDX-License-Identifier: Apache-2.0
// Runs the body of a loop step.
#pragma once

#include <optional>
#include <vector>

#include "runtime/session.h"

namespace mj {

struct LoopRun {
  const Step& step;
  int64_t most = INT64_MAX;  // runs of the body
  bool go_on = true;         // the condition before the first
  // Views of memory that lives through the run.
  std::vector<Tensor> carried, captured;
  const Bindings& symbols;                       // of the enclosing plan
  const std::atomic<bool>* cancelled = nullptr;  // looked at before each run, and within
  LoopBudget* loops = nullptr;                   // as in RunOptions
};

// What is carried after the last run, then the stacked items; with memory of their own. Errors are the body's, items
// that differ in shape from run to run, or that are too many to hold. Of no items it is the first axis that is 0; a
// dimension that only a run could have told is 0 too.
Result<std::vector<Tensor>> run_loop(LoopRun run, Session& body);

}  // namespace mj
