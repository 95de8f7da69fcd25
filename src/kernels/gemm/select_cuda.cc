// SPDX-License-Identifier: Apache-2.0
// gemm_cuda_f32: matmul and gemm of any shapes, tile by tile, with sums in f32.
#include "kernels/cuda/anchor.h"
#include "kernels/cuda/body_text.h"
#include "kernels/cuda/tile_text.h"
#include "kernels/cuda/vector_text.h"
#include "kernels/gemm/cuda_form.h"
#include "ops/gemm.h"
#include "ops/matmul.h"

namespace mj {
namespace {

Refusal refuses(const Problem& problem, const Target&) {
  if (!problem.op.get_if<Gemm>() && !problem.op.is(MatMul::kName)) return "not a matrix product";
  return float_anchor_refusal(problem);
}

// Matrix `input` of the batch, whose lines are its rows (or its columns, if they are neighbours along the depth).
TileOperand operand(KernelText& kernel, size_t input, const Dim& lines, const Dim& depth, bool along_depth,
                    const Shape& own_batch, const Shape& batch) {
  TileOperand texts;
  texts.dtype = kernel.problem().inputs[input].dtype;
  texts.along_depth = along_depth || lines.constant() == 1;
  texts.vector = texts.dtype == DType::f32 && is_multiple(texts.along_depth ? depth : lines, 4);
  texts.pointer = kernel.input(input);
  if (const std::string which = broadcast_index(kernel, own_batch, batch, "batch"); which != "0" && !batch.empty()) {
    texts.pointer = input == 0 ? "a_matrix" : "b_matrix";
    texts.declarations = fmt::format("  const {}* {} = {} + {} * {};\n", c_storage(texts.dtype), texts.pointer,
                                     kernel.input(input), which, kernel.size(lines * depth));
  }
  texts.index = texts.along_depth ? "line * depth + k" : fmt::format("k * {} + line", kernel.size(lines));
  return texts;
}

std::string store(KernelText& kernel, const GemmCudaForm& form) {
  std::string lines = fmt::format("    const int index = {} * columns + column;\n",
                                  form.batches.constant() == 1 ? "row" : "(batch * rows + row)");
  std::string value = form.alpha == 1 ? "sum" : c_literal(form.alpha) + " * sum";
  if (form.adds_c && form.beta != 0) {
    const Problem& problem = kernel.problem();
    const std::string at = broadcast_index(kernel, problem.inputs[2].shape, problem.outputs[0].shape, "index");
    value += fmt::format(" + {}{}", form.beta == 1 ? "" : c_literal(form.beta) + " * ",
                         c_load(problem.inputs[2].dtype, fmt::format("{}[{}]", kernel.input(2), at)));
  }
  lines += fmt::format("    const float product = {};\n", value);
  return lines + epilogue_text(kernel, "product", "index");
}

TiledProduct product_of(const Problem& problem) {
  const GemmCudaForm form = gemm_cuda_form(problem);
  TiledProduct product{"gemm_f32", form.rows, form.columns, form.depth, form.batches, {}, {}, {}};
  product.a = [form](KernelText& kernel, int) {
    return operand(kernel, 0, form.rows, form.depth, !form.a_transposed, form.a_batch, form.batch);
  };
  product.b = [form](KernelText& kernel, int) {
    return operand(kernel, 1, form.columns, form.depth, form.b_transposed, form.b_batch, form.batch);
  };
  product.store = [form](KernelText& kernel) { return store(kernel, form); };
  return product;
}

}  // namespace

extern const SelectRow select_gemm_cuda_f32;
const SelectRow select_gemm_cuda_f32 = tiled_gpu_row<product_of>("gemm", "gemm_cuda_f32", refuses, pack_nothing);

}  // namespace mj
