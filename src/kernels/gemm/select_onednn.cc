// SPDX-License-Identifier: Apache-2.0
#include "kernels/gemm/form.h"
#include "kernels/onednn/select_cut.h"

namespace mj {

extern const SelectRow select_gemm_f32;

namespace {

Refusal refuses(const Problem& problem, const Target& target) {
  if (Refusal reason = onednn::refuses_target(target)) return reason;
  if (Refusal reason = select_gemm_f32.refuses(problem, target)) return reason;
  GemmForm form;
  gemm_form(problem, form);
  if (!form.packs_b) return "its second operand is not a constant matrix";
  if (form.adds_matrix) return "it adds a matrix";
  return std::nullopt;
}

std::vector<std::string> configs(const Problem& problem, const Target& target) {
  const Shape& y = problem.outputs[0].shape;
  // The first dimension counts requests.
  std::optional<int64_t> rows;
  if (y.size() > 1) rows = element_count({y.begin() + (y.size() > 2 ? 1 : 0), y.end() - 1}).constant();
  return onednn::cuts(rows, y.back().constant().value_or(0), target.threads, true);
}

}  // namespace

extern const SelectRow select_gemm_onednn_f32;
const SelectRow select_gemm_onednn_f32 = {"gemm",
                                          "gemm_onednn_f32",
                                          1,
                                          refuses,
                                          configs,
                                          onednn::estimate_as<select_gemm_f32>,
                                          onednn::pack_as<select_gemm_f32>,
                                          "gemm_f32"};

}  // namespace mj
