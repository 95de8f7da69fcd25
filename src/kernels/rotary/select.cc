// SPDX-License-Identifier: Apache-2.0
#include "kernels/estimate.h"

namespace mj {
namespace {

Refusal refuses(const Problem& problem, const Target&) {
  if (problem.inputs[0].dtype != DType::f32) return "it is not f32";
  if (!problem.epilogue.empty()) return "there is an epilogue";
  return std::nullopt;
}

std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  return streaming_seconds(problem, target, bindings, 4);
}

}  // namespace

extern const SelectRow select_rotary_f32;
const SelectRow select_rotary_f32 = {"rotary", "rotary_f32", 1, refuses, one_config, estimate, pack_nothing};

}  // namespace mj
