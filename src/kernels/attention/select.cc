// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/body_epilogue.h"
#include "kernels/estimate.h"
#include "ops/attention.h"

namespace mj {
namespace {

Refusal refuses(const Problem& problem, const Target&) {
  for (int i = 0; i < problem.anchor_inputs; ++i) {
    const DType dtype = problem.inputs[static_cast<size_t>(i)].dtype;
    if (dtype != DType::f32 && dtype != DType::none) return "an input is " + std::string(name(dtype)) + ", not f32";
  }
  return cpu::BodyEpilogue::refuses(problem);
}

std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  const Attention& op = problem.op.as<Attention>();
  const bool packed = op.layout == "qkv";
  const Shape& keys = problem.inputs[packed ? 0 : 1].shape;
  const Result<int64_t> length = keys[op.layout == "bhsd" ? 2 : 1].evaluate(bindings);
  if (!length.ok()) return std::nullopt;
  // Each result takes two multiply-adds for each key, and each of its head's scores an exponential.
  return streaming_seconds(problem, target, bindings, 2.5 * static_cast<double>(*length));
}

}  // namespace

extern const SelectRow select_attention_f32;
const SelectRow select_attention_f32 = {"attention", "attention_f32", 1, refuses, one_config, estimate, pack_nothing};

}  // namespace mj
