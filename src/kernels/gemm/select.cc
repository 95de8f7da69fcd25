// SPDX-License-Identifier: Apache-2.0
#include "kernels/select.h"

#include "kernels/cpu/gemm.h"
#include "kernels/estimate.h"
#include "kernels/gemm/form.h"

namespace mj {
namespace {

Refusal refuses(const Problem& problem, const Target&) {
  GemmForm form;
  return gemm_form(problem, form);
}

Tensor packed_b(const GemmForm& form, Isa isa, const Tensor& b, int64_t k, int64_t n) {
  Tensor packed = Tensor::zeros(DType::f32, {cpu::packed_b_floats(isa, k, n)});
  const std::span<float> data = packed.mutable_data<float>();
  cpu::pack_b(isa, b.data<float>().data(), b.dims()[1], form.b_transposed, k, n, data.data());
  if (form.alpha != 1)
    for (float& x : data) x *= form.alpha;
  return packed;
}

Result<Packed> pack(const Problem& problem, const Target& target, std::string_view, std::span<const Tensor> constants) {
  GemmForm form;
  if (auto reason = gemm_form(problem, form)) return model_error("gemm_f32 cannot pack this step: {}", *reason);
  Packed packed;
  if (form.packs_b) {
    const std::vector<int64_t>& dims = constants[1].dims();
    const int64_t k = dims[form.b_transposed ? 1 : 0], n = dims[form.b_transposed ? 0 : 1];
    packed.tensors = {packed_b(form, target.isa, constants[1], k, n),
                      Tensor::of_i64(std::vector<int64_t>{static_cast<int64_t>(target.isa), k, n})};
    packed.consumed = {1};
  }
  if (form.packs_bias) {
    packed.tensors.push_back(gemm_bias(form, constants[2], *problem.outputs[0].shape[1].constant()));
    packed.consumed.push_back(2);
  }
  return packed;
}

// Two multiply-adds a cycle, nine tenths of them well spent.
constexpr double kCyclesPerTerm = 0.55;

std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  GemmForm form;
  gemm_form(problem, form);
  const Shape& a = problem.inputs[0].shape;
  const std::optional<double> terms = elements_of({form.a_transposed ? a[0] : a.back()}, bindings);
  return terms ? streaming_seconds(problem, target, bindings, *terms * kCyclesPerTerm) : std::nullopt;
}

}  // namespace

Tensor gemm_bias(const GemmForm& form, const Tensor& c, int64_t n) {
  Tensor bias = Tensor::zeros(DType::f32, {n});
  const std::span<const float> from = c.data<float>();
  const std::span<float> to = bias.mutable_data<float>();
  for (size_t i = 0; i < to.size(); ++i) to[i] = form.beta * from[from.size() == 1 ? 0 : i];
  return bias;
}

extern const SelectRow select_gemm_f32;
const SelectRow select_gemm_f32 = {"gemm", "gemm_f32", 1, refuses, one_config, estimate, pack};

}  // namespace mj
