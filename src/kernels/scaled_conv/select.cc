// SPDX-License-Identifier: Apache-2.0
#include "kernels/select.h"

#include "kernels/conv/shape.h"
#include "kernels/cpu/body_epilogue.h"
#include "kernels/estimate.h"
#include "ops/scaled_conv.h"

namespace mj {
namespace {

Refusal refuses(const Problem& problem, const Target&) {
  if (!problem.op.get_if<ScaledConv>()) return "not a convolution of a scaled image";
  if (!problem.inputs[2].constant) return "its weights are not constant";
  return cpu::BodyEpilogue::refuses(problem);
}

Result<Packed> pack(const Problem& problem, const Target& target, std::string_view, std::span<const Tensor> constants) {
  const Tensor& weights = constants[2];
  const std::vector<int64_t> image(4, 1);
  const cpu::ConvShape s = conv_shape(problem.op.as<ScaledConv>().conv(), image, weights.dims(), image);
  Tensor packed = Tensor::zeros(DType::f32, {cpu::packed_conv_floats(target.isa, s)});
  cpu::pack_conv(target.isa, s, weights.data<float>().data(), packed.mutable_data<float>().data());
  std::vector<int64_t> form = {static_cast<int64_t>(target.isa)};
  form.insert(form.end(), weights.dims().begin(), weights.dims().end());
  return Packed{{packed, Tensor::of_i64(form)}, {2}};
}

std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  constexpr double kCyclesPerTerm = 0.55;
  const std::optional<double> channels = elements_of({problem.inputs[2].shape[1]}, bindings);
  return channels ? streaming_seconds(problem, target, bindings, *channels * kCyclesPerTerm) : std::nullopt;
}

}  // namespace

extern const SelectRow select_scaled_conv_f32;
const SelectRow select_scaled_conv_f32 = {"scaled_conv", "scaled_conv_f32", 1, refuses, one_config, estimate, pack};

}  // namespace mj
