// SPDX-License-Identifier: Apache-2.0
// Runs of a plan beside the oracle on the same inputs.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "engine/format/manifest.h"
#include "runtime/compare_outputs.h"
#include "runtime/session.h"

namespace mj {

// Runs a plan once, on the heap unless memory is reused. `loops` as in RunOptions.
Result<std::vector<Tensor>> run_once(std::shared_ptr<const Program> program, ThreadPool& pool,
                                     std::span<const Tensor> inputs, bool reuse_memory, LoopBudget* loops = nullptr);

}  // namespace mj
