// SPDX-License-Identifier: Apache-2.0
#include "kernels/bf16/unit.h"
#include "kernels/conv/shape.h"
#include "kernels/cpu/bf16_product.h"
#include "kernels/estimate.h"
#include "kernels/select.h"

namespace mj {

extern const SelectRow select_conv_f32;

namespace {

using cpu::Bf16Unit;

template <Bf16Unit unit>
Refusal refuses(const Problem& problem, const Target& target) {
  if (Refusal reason = refuses_unit(target, unit)) return reason;
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

template <Bf16Unit unit>
std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  const std::optional<double> terms =
      elements_of({problem.inputs[1].shape.begin() + 1, problem.inputs[1].shape.end()}, bindings);
  return terms ? streaming_seconds(problem, target, bindings, *terms * bf16_cycles_per_term(unit)) : std::nullopt;
}

template <Bf16Unit unit>
constexpr SelectRow row(std::string_view name, std::string_view alternative) {
  return {"conv", name, 1, refuses<unit>, one_config, estimate<unit>, pack, alternative, DType::bf16};
}

}  // namespace

extern const SelectRow select_conv_bf16, select_conv_avx512_bf16, select_conv_amx_bf16;
const SelectRow select_conv_bf16 = row<Bf16Unit::none>("conv_bf16", "");
const SelectRow select_conv_avx512_bf16 = row<Bf16Unit::avx512_bf16>("conv_avx512_bf16", "conv_bf16");
const SelectRow select_conv_amx_bf16 = row<Bf16Unit::amx_bf16>("conv_amx_bf16", "conv_bf16");

}  // namespace mj
