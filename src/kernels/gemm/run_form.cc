// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/body_epilogue.h"
#include "kernels/gemm/form.h"
#include "ops/gemm.h"
#include "ops/matmul.h"

namespace mj {
namespace {

std::optional<std::string> place_c(const Problem& problem, GemmForm& form) {
  const Operand& c = problem.inputs[2];
  const Shape& output = problem.outputs[0].shape;
  const bool single = element_count(c.shape) == Dim(1);
  const bool columns = !c.shape.empty() && c.shape.back() == output[1] && element_count(c.shape) == output[1];
  if (c.constant && (single || columns) && output[1].constant()) {
    form.packs_bias = form.adds_bias = true;
    return std::nullopt;
  }
  if (form.beta != 1) return "beta is not 1 and c is not a constant bias";
  form.adds_bias = columns;
  form.adds_matrix = !columns && c.shape == output;
  if (!form.adds_bias && !form.adds_matrix) return "c is neither one bias per column nor of the output's shape";
  return std::nullopt;
}

}  // namespace

std::optional<std::string> gemm_form(const Problem& problem, GemmForm& form) {
  for (int i = 0; i < problem.anchor_inputs; ++i)
    if (const DType dtype = problem.inputs[static_cast<size_t>(i)].dtype; dtype != DType::f32 && dtype != DType::none)
      return "an operand is not f32";
  if (problem.outputs.size() != 1 || problem.outputs[0].dtype != DType::f32) return "the output is not f32";
  const Operand &a = problem.inputs[0], &b = problem.inputs[1];
  if (const Gemm* gemm = problem.op.get_if<Gemm>()) {
    form.a_transposed = gemm->transA;
    form.b_transposed = gemm->transB;
    form.alpha = gemm->alpha;
    form.beta = gemm->beta;
    form.packs_b = b.constant && !form.a_transposed;
    if (form.alpha != 1 && !form.packs_b) return "alpha is not 1 and b is not packed ahead";
    if (problem.anchor_inputs > 2 && problem.inputs[2].dtype != DType::none)
      if (auto reason = place_c(problem, form)) return reason;
  } else if (problem.op.is(MatMul::kName)) {
    if (a.shape.empty() || b.shape.empty()) return "an operand has no dimensions";
    form.packs_b = b.constant && b.shape.size() == 2;
    if (b.shape.size() == 1 && !problem.epilogue.empty()) return "the product with a vector has no columns to fuse on";
  } else {
    return "not a matrix product";
  }
  return cpu::BodyEpilogue::refuses(problem);
}

}  // namespace mj
