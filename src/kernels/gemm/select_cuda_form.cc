// SPDX-License-Identifier: Apache-2.0
#include "base/shape.h"
#include "kernels/gemm/cuda_form.h"
#include "ops/gemm.h"
#include "ops/matmul.h"

namespace mj {
namespace {

Shape but_last(const Shape& shape, size_t count) {
  return shape.size() <= count ? Shape{} : Shape(shape.begin(), shape.end() - static_cast<int64_t>(count));
}

bool all_ones(const Shape& shape) {
  for (const Dim& dim : shape) {
    if (dim.constant() != 1) return false;
  }
  return true;
}

GemmCudaForm matmul_form(const Problem& problem) {
  const Shape &a = problem.inputs[0].shape, &b = problem.inputs[1].shape;
  const bool row = a.size() == 1, column = b.size() == 1;
  GemmCudaForm form;
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

GemmCudaForm gemm_shape(const Problem& problem, const Gemm& op) {
  const Shape &a = problem.inputs[0].shape, &b = problem.inputs[1].shape;
  GemmCudaForm form;
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

}  // namespace

GemmCudaForm gemm_cuda_form(const Problem& problem) {
  const Gemm* gemm = problem.op.get_if<Gemm>();
  return gemm ? gemm_shape(problem, *gemm) : matmul_form(problem);
}

}  // namespace mj
