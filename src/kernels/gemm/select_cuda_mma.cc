// SPDX-License-Identifier: Apache-2.0
// gemm_cuda_mma, gemm_cuda_persistent: matmul and gemm of 16-bit matrices by tensor cores.
#include "kernels/cuda/body_text.h"
#include "kernels/cuda/mma_text.h"
#include "kernels/cuda/persistent_text.h"
#include "kernels/cuda/vector_text.h"
#include "kernels/gemm/cuda_form.h"
#include "ops/gemm.h"
#include "ops/matmul.h"

namespace mj {
namespace {

Refusal refuses(const Problem& problem, const Target& target) {
  if (!problem.op.get_if<Gemm>() && !problem.op.is(MatMul::kName)) return "not a matrix product";
  return mma_refusal(problem, {0, 1}, target);
}

// A constant matrix b is stored by columns, each filled up with zeros to a multiple of 8.
bool packs_b(const Problem& problem, const GemmCudaForm& form) {
  return problem.inputs[1].constant && form.b_batch.empty() && form.depth.constant();
}

Dim pitch(const GemmCudaForm& form) { return ceil_div(form.depth, 8) * 8; }

Result<Packed> pack(const Problem& problem, const Target&, std::string_view, std::span<const Tensor> constants) {
  const GemmCudaForm form = gemm_cuda_form(problem);
  if (!packs_b(problem, form)) return Packed{};
  const int64_t depth = *form.depth.constant(), columns = *form.columns.constant(), length = *pitch(form).constant();
  Tensor packed = Tensor::zeros(problem.inputs[1].dtype, {columns, length});
  const auto* from = static_cast<const uint16_t*>(constants[1].raw());
  auto* to = static_cast<uint16_t*>(packed.mutable_raw());
  for (int64_t n = 0; n < columns; ++n) {
    for (int64_t k = 0; k < depth; ++k) to[n * length + k] = from[form.b_transposed ? n * depth + k : k * columns + n];
  }
  return Packed{{std::move(packed)}, {1}};
}

// Matrix `input` of the batch, whose lines are its rows (or its columns, if they are neighbours along the depth).
MmaOperand operand(KernelText& kernel, size_t input, const Dim& lines, const Dim& depth, bool along_depth,
                   const Shape& own_batch, const Shape& batch) {
  MmaOperand texts;
  texts.along_depth = along_depth || lines.constant() == 1;
  texts.width = vector_of(texts.along_depth ? depth : lines);
  texts.pointer = kernel.input(input);
  if (!is_multiple(depth, kStageDepth)) texts.inside = fmt::format("k < {}", kernel.size(depth));
  const std::string which = broadcast_index(kernel, own_batch, batch, "batch");
  if (which != "0" && !batch.empty()) {
    texts.pointer = input == 0 ? "a_matrix" : "b_matrix";
    texts.declarations = fmt::format("  const unsigned short* const {} = {} + {} * {};\n", texts.pointer,
                                     kernel.input(input), which, kernel.size(lines * depth));
  }
  texts.index = texts.along_depth ? fmt::format("line * {} + k", kernel.size(depth))
                                  : fmt::format("k * {} + line", kernel.size(lines));
  return texts;
}

MmaOperand packed_columns(KernelText& kernel, const GemmCudaForm& form) {
  MmaOperand texts;
  texts.width = 8;
  texts.constant = true;
  texts.pointer = kernel.packed(0, "unsigned short");
  texts.index = fmt::format("line * {} + k", kernel.size(pitch(form)));
  return texts;
}

std::string store(KernelText& kernel, const GemmCudaForm& form, int width) {
  std::string lines = fmt::format("    const Index index = {} * columns + column;\n",
                                  form.batches.constant() == 1 ? "row" : "(batch * rows + row)");
  if (form.alpha != 1)
    lines += fmt::format("    for (int e = 0; e < {}; ++e) values[e] *= {};\n", width, c_literal(form.alpha));
  if (form.adds_c && form.beta != 0) {
    const Problem& problem = kernel.problem();
    const Operand& c = problem.inputs[2];
    const std::string at = broadcast_index(kernel, c.shape, problem.outputs[0].shape, "(index + e)");
    const std::string element = c_load(c.dtype, fmt::format("{}[{}]", kernel.input(2), at));
    lines += fmt::format("    for (int e = 0; e < {}; ++e) values[e] += {}{};\n", width,
                         form.beta == 1 ? "" : c_literal(form.beta) + " * ", element);
  }
  const bool along_columns = equal(kernel.problem().outputs[0].shape.back(), form.columns) == Tri::yes;
  return lines + vector_epilogue_text(kernel, "values", "index", width, along_columns ? "column" : "");
}

MmaProduct product_of(const Problem& problem) {
  const GemmCudaForm form = gemm_cuda_form(problem);
  const bool packed = packs_b(problem, form);
  MmaProduct product;
  product.name = "gemm_mma";
  product.dtype = problem.inputs[0].dtype;
  product.rows = form.rows;
  product.columns = form.columns;
  product.depth = packed ? pitch(form) : form.depth;
  product.batches = form.batches;
  product.a_width = vector_of(form.depth);
  product.packed = packed;
  product.along_depth = !form.a_transposed && (packed || form.b_transposed);
  product.a = [form](KernelText& kernel, int) {
    return operand(kernel, 0, form.rows, form.depth, !form.a_transposed, form.a_batch, form.batch);
  };
  product.b = [form, packed](KernelText& kernel, int) {
    if (packed) return packed_columns(kernel, form);
    return operand(kernel, 1, form.columns, form.depth, form.b_transposed, form.b_batch, form.batch);
  };
  product.store_width = std::min(vector_of(form.columns), vector_width(problem));
  const int width = product.store_width;
  product.store = [form, width](KernelText& kernel) { return store(kernel, form, width); };
  return product;
}

}  // namespace

extern const SelectRow select_gemm_cuda_mma;
const SelectRow select_gemm_cuda_mma = mma_gpu_row<product_of>("gemm", "gemm_cuda_mma", refuses, pack);

extern const SelectRow select_gemm_cuda_persistent;
const SelectRow select_gemm_cuda_persistent =
    persistent_gpu_row<product_of, refuses, pack>("gemm", "gemm_cuda_persistent");

}  // namespace mj
