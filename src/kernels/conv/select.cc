// SPDX-License-Identifier: Apache-2.0
#include "kernels/select.h"

#include "kernels/conv/shape.h"
#include "kernels/cpu/body_epilogue.h"
#include "kernels/estimate.h"

namespace mj {
namespace {

Refusal refuses(const Problem& problem, const Target&) {
  if (!problem.op.get_if<Conv>()) return "not a convolution";
  for (int i = 0; i < problem.anchor_inputs; ++i)
    if (const DType dtype = problem.inputs[static_cast<size_t>(i)].dtype; dtype != DType::f32 && dtype != DType::none)
      return "an operand is not f32";
  if (problem.outputs.size() != 1 || problem.outputs[0].dtype != DType::f32) return "the output is not f32";
  const size_t rank = problem.inputs[0].shape.size();
  if (rank != 3 && rank != 4) return "not 1-d or 2-d";
  return cpu::BodyEpilogue::refuses(problem);
}

// The tile of the packed form depends only on weights, groups and window; the image's size may vary.
Result<Packed> pack(const Problem& problem, const Target& target, std::string_view, std::span<const Tensor> constants) {
  if (constants.size() < 2 || !constants[1].present()) return Packed{};
  const Tensor& weights = constants[1];
  const std::vector<int64_t>& dims = weights.dims();
  const std::vector<int64_t> image(dims.size(), 1);
  const Conv& op = problem.op.as<Conv>();
  const cpu::ConvShape s = conv_shape(op, image, dims, image);
  Tensor packed = Tensor::zeros(DType::f32, {cpu::packed_conv_floats(target.isa, s)});
  cpu::pack_conv(target.isa, s, weights.data<float>().data(), packed.mutable_data<float>().data());
  std::vector<int64_t> form = {static_cast<int64_t>(target.isa)};
  form.insert(form.end(), dims.begin(), dims.end());
  return Packed{{packed, Tensor::of_i64(form)}, {1}};
}

// Two multiply-adds a cycle, nine tenths of them well spent.
constexpr double kCyclesPerTerm = 0.55;

std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  const std::optional<double> terms =
      elements_of({problem.inputs[1].shape.begin() + 1, problem.inputs[1].shape.end()}, bindings);
  return terms ? streaming_seconds(problem, target, bindings, *terms * kCyclesPerTerm) : std::nullopt;
}

}  // namespace

extern const SelectRow select_conv_f32;
const SelectRow select_conv_f32 = {"conv", "conv_f32", 1, refuses, one_config, estimate, pack};

}  // namespace mj
