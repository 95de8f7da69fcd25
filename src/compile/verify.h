// SPDX-License-Identifier: Apache-2.0
// Comparison of a plan with the oracle on the same inputs.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "engine/format/manifest.h"
#include "runtime/session.h"

namespace mj {

// ||a - b|| / ||b|| in double. NaNs must stand at the same places (0 then); integers and bools must be equal (else
// infinity), as must infinities. Of sequences, the worst of their tensors. Infinity when type or shape differ. Both all
// zero: 0.
double relative_l2(const Tensor& a, const Tensor& reference);

struct Comparison {
  std::vector<double> errors;  // of each output
  double worst = 0;
};

Comparison compare_outputs(std::span<const Tensor> outputs, std::span<const Tensor> reference);

// Runs a plan once, on the heap unless memory is reused. `loops` as in RunOptions.
Result<std::vector<Tensor>> run_once(std::shared_ptr<const Program> program, ThreadPool& pool,
                                     std::span<const Tensor> inputs, bool reuse_memory, LoopBudget* loops = nullptr);

}  // namespace mj
