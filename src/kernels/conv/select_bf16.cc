// SPDX-License-Identifier: Apache-2.0
#include "kernels/bf16/select_row.h"
#include "kernels/conv/shape.h"
#include "kernels/cpu/bf16_product.h"

namespace mj {

extern const SelectRow select_conv_f32;

namespace {

using cpu::Bf16Unit;

Refusal refuses(const Problem& problem, const Target& target) {
  if (Refusal reason = select_conv_f32.refuses(problem, target)) return reason;
  const Conv& op = problem.op.as<Conv>();
  if (op.group != 1) return "it has groups";
  if (!op.channels_last) return "it is not channels_last";
  if (!problem.inputs[1].constant) return "its weights are not constant";
  return std::nullopt;
}

Result<Packed> pack(const Problem& problem, const Target&, std::string_view, std::span<const Tensor> constants) {
  const Tensor& weights = constants[1];
  const std::vector<int64_t>& dims = weights.dims();
  const std::vector<int64_t> image(dims.size(), 1);
  const cpu::ConvShape s = conv_shape(problem.op.as<Conv>(), image, dims, image);
  Tensor panels = Tensor::zeros(DType::u16, {cpu::packed_bf16(s.kh * s.kw * s.c, s.k)});
  cpu::pack_bf16_conv(s, weights.data<float>().data(), panels.mutable_data<uint16_t>().data());
  return Packed{{panels, Tensor::of_i64(dims)}, {1}};
}

std::optional<double> terms(const Problem& problem, const Bindings& bindings) {
  return elements_of({problem.inputs[1].shape.begin() + 1, problem.inputs[1].shape.end()}, bindings);
}

constexpr Bf16Family kFamily = {"conv", refuses, terms, pack};

}  // namespace

extern const SelectRow select_conv_bf16, select_conv_avx512_bf16, select_conv_amx_bf16;
const SelectRow select_conv_bf16 = bf16_select_row<kFamily, Bf16Unit::none>("conv_bf16", "");
const SelectRow select_conv_avx512_bf16 =
    bf16_select_row<kFamily, Bf16Unit::avx512_bf16>("conv_avx512_bf16", "conv_bf16");
const SelectRow select_conv_amx_bf16 = bf16_select_row<kFamily, Bf16Unit::amx_bf16>("conv_amx_bf16", "conv_bf16");

}  // namespace mj
