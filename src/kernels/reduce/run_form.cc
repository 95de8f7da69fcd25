// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "kernels/cpu/body_epilogue.h"
#include "kernels/reduce/form.h"

namespace mj {
namespace {

using cpu::Fold;

constexpr std::pair<std::string_view, ReduceForm> kForms[] = {
    {"reduce_sum", {Fold::sum, Fold::sum, ReduceFinish::none}},
    {"reduce_mean", {Fold::sum, Fold::sum, ReduceFinish::mean}},
    {"reduce_max", {Fold::max, Fold::max, ReduceFinish::none}},
    {"reduce_min", {Fold::min, Fold::min, ReduceFinish::none}},
    {"reduce_prod", {Fold::prod, Fold::prod, ReduceFinish::none}},
    {"reduce_l1", {Fold::sum_abs, Fold::sum, ReduceFinish::none}},
    {"reduce_l2", {Fold::sum_square, Fold::sum, ReduceFinish::sqrt}},
    {"reduce_sum_square", {Fold::sum_square, Fold::sum, ReduceFinish::none}},
    {"reduce_log_sum", {Fold::sum, Fold::sum, ReduceFinish::log}},
};

}  // namespace

std::optional<std::string> reduce_form(const Problem& problem, ReduceForm& form) {
  if (problem.inputs[0].dtype != DType::f32) return "the input is not f32";
  for (const auto& [name, known] : kForms) {
    if (!problem.op.is(name)) continue;
    form = known;
    return cpu::BodyEpilogue::refuses(problem);
  }
  return fmt::format("{} is not a plain fold", problem.op.name());
}

std::vector<ReducePass> reduce_passes(std::span<const int64_t> dims, std::span<const int64_t> axes) {
  std::vector<ReducePass> passes;
  const auto reduced = [&](size_t d) { return std::ranges::count(axes, static_cast<int64_t>(d)) > 0; };
  int64_t inner = 1;
  for (size_t d = dims.size(); d-- > 0;) {
    if (!reduced(d)) {
      inner *= dims[d];
      continue;
    }
    if (d + 1 == dims.size() || !reduced(d + 1)) passes.push_back({1, 1, inner});
    passes.back().length *= dims[d];
  }
  // What stands before the axes of a pass is still whole when it runs.
  size_t pass = 0;
  int64_t outer = 1;
  for (size_t d = 0; d < dims.size(); ++d) {
    if (reduced(d) && (d == 0 || !reduced(d - 1))) passes[passes.size() - 1 - pass++].outer = outer;
    outer *= dims[d];
  }
  return passes;
}

}  // namespace mj
