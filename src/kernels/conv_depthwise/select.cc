// SPDX-License-Identifier: Apache-2.0
#include "kernels/select.h"

#include "kernels/conv/shape.h"
#include "kernels/cpu/body_epilogue.h"
#include "kernels/estimate.h"
#include "ops/conv_depthwise.h"

namespace mj {
namespace {

Refusal refuses(const Problem& problem, const Target&) {
  if (!problem.op.get_if<ConvDepthwise>()) return "not a convolution before a depthwise one";
  if (!problem.inputs[1].constant || !problem.inputs[3].constant) return "its weights are not constant";
  return cpu::BodyEpilogue::refuses(problem);
}

// packed: both weights, both dims, the Isa they are packed for.
Result<Packed> pack(const Problem& problem, const Target& target, std::string_view, std::span<const Tensor> constants) {
  const ConvDepthwise& op = problem.op.as<ConvDepthwise>();
  const std::vector<int64_t> image(4, 1);
  Packed out;
  for (const auto& [conv, weights] :
       {std::pair(op.pixelwise(), constants[1]), std::pair(op.depthwise(constants[1].dims()[0]), constants[3])}) {
    const cpu::ConvShape s = conv_shape(conv, image, weights.dims(), image);
    Tensor packed = Tensor::zeros(DType::f32, {cpu::packed_conv_floats(target.isa, s)});
    cpu::pack_conv(target.isa, s, weights.data<float>().data(), packed.mutable_data<float>().data());
    out.tensors.push_back(packed);
  }
  for (size_t i : {size_t{1}, size_t{3}}) out.tensors.push_back(Tensor::of_i64(constants[i].dims()));
  out.tensors.push_back(Tensor::of_i64(std::vector{static_cast<int64_t>(target.isa)}));
  out.consumed = {1, 3};
  return out;
}

std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  const std::optional<double> x = elements_of(problem.inputs[0].shape, bindings),
                              y = elements_of(problem.outputs[0].shape, bindings),
                              taps = elements_of(problem.inputs[3].shape, bindings),
                              channels = elements_of({problem.inputs[1].shape[0]}, bindings);
  if (!x || !y || !taps || !channels || *y == 0) return std::nullopt;
  constexpr double kCyclesPerTerm = 0.55;
  return streaming_seconds(problem, target, bindings, (*x * *channels / *y + *taps / *channels) * kCyclesPerTerm);
}

}  // namespace

extern const SelectRow select_conv_depthwise_rows_f32, select_conv_depthwise_whole_f32;
const SelectRow select_conv_depthwise_rows_f32 = {
    "conv_depthwise", "conv_depthwise_rows_f32", 1, refuses, one_config, estimate, pack};
const SelectRow select_conv_depthwise_whole_f32 = {
    "conv_depthwise", "conv_depthwise_whole_f32", 1, refuses, one_config, estimate, pack};

}  // namespace mj
