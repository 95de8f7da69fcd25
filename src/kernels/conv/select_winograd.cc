// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "kernels/conv/shape.h"
#include "kernels/cpu/body_epilogue.h"
#include "kernels/cpu/winograd.h"
#include "kernels/estimate.h"
#include "kernels/select.h"

namespace mj {
namespace {

bool all_ones(const std::vector<int64_t>& values) {
  return std::all_of(values.begin(), values.end(), [](int64_t v) { return v == 1; });
}

Refusal refuses(const Problem& problem, const Target&) {
  const Conv* op = problem.op.get_if<Conv>();
  if (!op) return "not a convolution";
  for (int i = 0; i < problem.anchor_inputs; ++i)
    if (const DType dtype = problem.inputs[static_cast<size_t>(i)].dtype; dtype != DType::f32 && dtype != DType::none)
      return "an operand is not f32";
  if (problem.outputs.size() != 1 || problem.outputs[0].dtype != DType::f32) return "the output is not f32";
  const Shape& w = problem.inputs[1].shape;
  if (w.size() != 4 || w[2] != Dim(3) || w[3] != Dim(3)) return "the window is not 3x3";
  if (!all_ones(op->strides) || !all_ones(op->dilations)) return "strides or dilations are not 1";
  if (op->group != 1) return "it has groups";
  if (!op->channels_last) return "it is not channels_last";
  if (!problem.inputs[1].constant) return "its weights are not constant";
  // With few channels the transforms cost more than the products they save.
  constexpr int64_t kFewChannels = 16;
  if (w[0].constant().value_or(0) < kFewChannels || w[1].constant().value_or(0) < kFewChannels)
    return "it has fewer than 16 channels";
  return cpu::BodyEpilogue::refuses(problem);
}

std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  const std::optional<double> terms =
      elements_of({problem.inputs[1].shape.begin() + 1, problem.inputs[1].shape.end()}, bindings);
  // 4 terms in place of 9, and a fifth more for the transforms.
  constexpr double kCyclesPerTerm = 0.55 * 4 / 9 * 1.2;
  return terms ? streaming_seconds(problem, target, bindings, *terms * kCyclesPerTerm) : std::nullopt;
}

Result<Packed> pack(const Problem& problem, const Target& target, std::string_view, std::span<const Tensor> constants) {
  const Tensor& weights = constants[1];
  const std::vector<int64_t>& dims = weights.dims();
  const std::vector<int64_t> image(dims.size(), 1);
  const cpu::ConvShape s = conv_shape(problem.op.as<Conv>(), image, dims, image);
  Tensor packed = Tensor::zeros(DType::f32, {cpu::packed_winograd_floats(target.isa, s)});
  cpu::pack_winograd(target.isa, s, weights.data<float>().data(), packed.mutable_data<float>().data());
  std::vector<int64_t> form = {static_cast<int64_t>(target.isa)};
  form.insert(form.end(), dims.begin(), dims.end());
  return Packed{{packed, Tensor::of_i64(form)}, {1}};
}

}  // namespace

extern const SelectRow select_conv_winograd_f32;
const SelectRow select_conv_winograd_f32 = {"conv", "conv_winograd_f32", 1, refuses, one_config, estimate, pack};

}  // namespace mj
