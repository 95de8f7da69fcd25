// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/body_epilogue.h"
#include "kernels/estimate.h"

namespace mj {
namespace {

Refusal refuses(const Problem& problem, const Target&) {
  if (problem.inputs[0].dtype != DType::f32) return "the input is not f32";
  return cpu::BodyEpilogue::refuses(problem);
}

std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  return streaming_seconds(problem, target, bindings, 30);
}

}  // namespace

extern const SelectRow select_softmax_f32;
const SelectRow select_softmax_f32 = {"softmax", "softmax_f32", 1, refuses, one_config, estimate, pack_nothing};

}  // namespace mj
