// SPDX-License-Identifier: Apache-2.0
#include "kernels/bf16/unit.h"
#include "kernels/cpu/bf16_product.h"
#include "kernels/estimate.h"
#include "kernels/gemm/form.h"
#include "kernels/select.h"

namespace mj {
namespace {

using cpu::Bf16Unit;

template <Bf16Unit unit>
Refusal refuses(const Problem& problem, const Target& target) {
  if (Refusal reason = refuses_unit(target, unit)) return reason;
  GemmForm form;
  if (auto reason = gemm_form(problem, form)) return reason;
  if (!form.packs_b) return "its second operand is not a constant matrix";
  return std::nullopt;
}

Result<Packed> pack(const Problem& problem, const Target&, std::string_view, std::span<const Tensor> constants) {
  GemmForm form;
  if (auto reason = gemm_form(problem, form)) return model_error("gemm_bf16 cannot pack this step: {}", *reason);
  const Tensor& b = constants[1];
  const int64_t k = b.dims()[form.b_transposed ? 1 : 0], n = b.dims()[form.b_transposed ? 0 : 1];
  Tensor panels = Tensor::zeros(DType::u16, {cpu::packed_bf16(k, n)});
  cpu::pack_bf16(b.data<float>().data(), b.dims()[1], form.b_transposed, k, n, form.alpha,
                 panels.mutable_data<uint16_t>().data());
  Packed packed{{panels, Tensor::of_i64(std::vector<int64_t>{k, n})}, {1}};
  if (form.packs_bias) {
    packed.tensors.push_back(gemm_bias(form, constants[2], n));
    packed.consumed.push_back(2);
  }
  return packed;
}

template <Bf16Unit unit>
std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  const std::optional<double> terms = elements_of({problem.inputs[0].shape.back()}, bindings);
  return terms ? streaming_seconds(problem, target, bindings, *terms * bf16_cycles_per_term(unit)) : std::nullopt;
}

template <Bf16Unit unit>
constexpr SelectRow row(std::string_view name, std::string_view alternative) {
  return {"gemm", name, 1, refuses<unit>, one_config, estimate<unit>, pack, alternative, DType::bf16};
}

}  // namespace

extern const SelectRow select_gemm_bf16, select_gemm_avx512_bf16, select_gemm_amx_bf16;
const SelectRow select_gemm_bf16 = row<Bf16Unit::none>("gemm_bf16", "");
const SelectRow select_gemm_avx512_bf16 = row<Bf16Unit::avx512_bf16>("gemm_avx512_bf16", "gemm_bf16");
const SelectRow select_gemm_amx_bf16 = row<Bf16Unit::amx_bf16>("gemm_amx_bf16", "gemm_bf16");

}  // namespace mj
