// SPDX-License-Identifier: Apache-2.0
// gemm_cuda_f32: matmul and gemm of any shapes, tile by tile.
#include "kernels/cuda/anchor.h"
#include "kernels/cuda/body_text.h"
#include "kernels/cuda/tile_text.h"
#include "ops/gemm.h"
#include "ops/matmul.h"

namespace mj {
namespace {

// Either operator: batches of op(a) [rows, depth] times op(b) [depth, columns].
struct Form {
  Dim rows, columns, depth, batches = 1;
  Shape a_batch, b_batch, batch;  // of broadcast batches
  bool a_transposed = false, b_transposed = false;
  float alpha = 1, beta = 1;
  bool adds_c = false;
};

Shape but_last(const Shape& shape, size_t count) {
  return shape.size() <= count ? Shape{} : Shape(shape.begin(), shape.end() - static_cast<int64_t>(count));
}

bool all_ones(const Shape& shape) {
  for (const Dim& dim : shape) {
    if (dim.constant() != 1) return false;
  }
  return true;
}

Form matmul_form(const Problem& problem) {
  const Shape &a = problem.inputs[0].shape, &b = problem.inputs[1].shape;
  const bool row = a.size() == 1, column = b.size() == 1;
  Form form;
  form.rows = row ? Dim(1) : a[a.size() - 2];
  form.columns = column ? Dim(1) : b.back();
  form.depth = a.back();
  form.a_batch = but_last(a, 2);
  form.b_batch = but_last(b, 2);
  form.batch = but_last(problem.outputs[0].shape, 2 - static_cast<size_t>(row) - static_cast<size_t>(column));
  form.batches = element_count(form.batch);
  // One b for all: the batches of a are just more rows.
  if (all_ones(form.b_batch) && element_count(form.a_batch) == form.batches) {
    form.rows = form.batches * form.rows;
    form.batches = 1;
    form.a_batch = form.b_batch = form.batch = {};
  }
  return form;
}

Form gemm_shape(const Problem& problem, const Gemm& op) {
  const Shape &a = problem.inputs[0].shape, &b = problem.inputs[1].shape;
  Form form;
  form.rows = a[op.transA ? 1 : 0];
  form.depth = a[op.transA ? 0 : 1];
  form.columns = b[op.transB ? 0 : 1];
  form.a_transposed = op.transA;
  form.b_transposed = op.transB;
  form.alpha = op.alpha;
  form.beta = op.beta;
  form.adds_c = problem.anchor_inputs > 2 && problem.inputs[2].dtype != DType::none;
  return form;
}

Form form_of(const Problem& problem) {
  const Gemm* gemm = problem.op.get_if<Gemm>();
  return gemm ? gemm_shape(problem, *gemm) : matmul_form(problem);
}

Refusal refuses(const Problem& problem, const Target&) {
  if (!problem.op.get_if<Gemm>() && !problem.op.is(MatMul::kName)) return "not a matrix product";
  return f32_anchor_refusal(problem);
}

// Matrix `input` of the batch, whose lines are its rows (or its columns, if they are neighbours along the depth).
TileOperand operand(KernelText& kernel, size_t input, const Dim& lines, const Dim& depth, bool along_depth,
                    const Shape& own_batch, const Shape& batch) {
  TileOperand texts;
  texts.dtype = kernel.problem().inputs[input].dtype;
  texts.along_depth = along_depth || lines.constant() == 1;
  texts.vector = fours(texts.along_depth ? depth : lines);
  texts.pointer = kernel.input(input);
  if (const std::string which = broadcast_index(kernel, own_batch, batch, "batch"); which != "0" && !batch.empty()) {
    texts.pointer = input == 0 ? "a_matrix" : "b_matrix";
    texts.declarations = fmt::format("  const {}* {} = {} + {} * {};\n", c_storage(texts.dtype), texts.pointer,
                                     kernel.input(input), which, kernel.size(lines * depth));
  }
  texts.index = texts.along_depth ? "line * depth + k" : fmt::format("k * {} + line", kernel.size(lines));
  return texts;
}

std::string store(KernelText& kernel, const Form& form) {
  std::string lines = fmt::format("    const int index = {} * columns + column;\n",
                                  form.batches.constant() == 1 ? "row" : "(batch * rows + row)");
  std::string value = form.alpha == 1 ? "sum" : c_literal(form.alpha) + " * sum";
  if (form.adds_c && form.beta != 0) {
    const Problem& problem = kernel.problem();
    const std::string at = broadcast_index(kernel, problem.inputs[2].shape, problem.outputs[0].shape, "index");
    value += fmt::format(" + {}{}[{}]", form.beta == 1 ? "" : c_literal(form.beta) + " * ", kernel.input(2), at);
  }
  lines += fmt::format("    const float product = {};\n", value);
  return lines + epilogue_text(kernel, "product", "index");
}

TiledProduct product_of(const Problem& problem) {
  const Form form = form_of(problem);
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
