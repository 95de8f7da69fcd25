// SPDX-License-Identifier: Apache-2.0
#include "kernels/bf16/select_row.h"
#include "kernels/cpu/bf16_product.h"
#include "kernels/gemm/form.h"

namespace mj {
namespace {

using cpu::Bf16Unit;

Refusal refuses(const Problem& problem, const Target&) {
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

std::optional<double> terms(const Problem& problem, const Bindings& bindings) {
  return elements_of({problem.inputs[0].shape.back()}, bindings);
}

constexpr Bf16Family kFamily = {"gemm", refuses, terms, pack};

}  // namespace

extern const SelectRow select_gemm_bf16, select_gemm_avx512_bf16, select_gemm_amx_bf16;
const SelectRow select_gemm_bf16 = bf16_select_row<kFamily, Bf16Unit::none>("gemm_bf16", "");
const SelectRow select_gemm_avx512_bf16 =
    bf16_select_row<kFamily, Bf16Unit::avx512_bf16>("gemm_avx512_bf16", "gemm_bf16");
const SelectRow select_gemm_amx_bf16 = bf16_select_row<kFamily, Bf16Unit::amx_bf16>("gemm_amx_bf16", "gemm_bf16");

}  // namespace mj
