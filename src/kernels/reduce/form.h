// SPDX-License-Identifier: Apache-2.0
// A reduction as passes over [outer, length, inner], each of which folds the axis in the middle.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernels/cpu/row_loops.h"
#include "problem/problem.h"

namespace mj {

struct ReducePass {
  int64_t outer = 1, length = 1, inner = 1;
};

// What happens to the folded number.
enum class ReduceFinish { none, mean, sqrt, log };

struct ReduceForm {
  cpu::Fold first = cpu::Fold::sum;  // of the first pass
  cpu::Fold next = cpu::Fold::sum;   // of the later ones, which fold what the first gave
  ReduceFinish finish = ReduceFinish::none;
};

// Why reduce_f32 cannot take the problem, or nothing and its form.
std::optional<std::string> reduce_form(const Problem& problem, ReduceForm& form);
// One pass for each run of neighbouring axes, the innermost first.
std::vector<ReducePass> reduce_passes(std::span<const int64_t> dims, std::span<const int64_t> axes);

}  // namespace mj
