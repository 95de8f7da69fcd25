// SPDX-License-Identifier: Apache-2.0
#include "ops/gemm.h"

#include <fmt/format.h>

#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {
namespace {

std::vector<double> matrix(const Tensor& tensor, bool transposed) {
  std::vector<double> flat = widened(tensor);
  if (!transposed) return flat;
  const int64_t rows = tensor.dims()[0], columns = tensor.dims()[1];
  std::vector<double> out(flat.size());
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) out[j * rows + i] = flat[i * columns + j];
  }
  return out;
}

}  // namespace

InferResult Gemm::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(2, 3));
  MJ_TRY(context.rank(0, 2));
  MJ_TRY(context.rank(1, 2));
  MJ_TRY(context.same_dtype(0, 1));
  if (!is_float(context.dtype(0)) && !is_integer(context.dtype(0))) {
    return context.fail(fmt::format("input 0 must be numbers, got {}", to_string(context[0].type)));
  }
  const Shape& a = context.shape(0);
  const Shape& b = context.shape(1);
  MJ_TRY(require_equal(context, "the inner dimensions of a and b", a[transA ? 0 : 1], b[transB ? 1 : 0]));
  Shape out{a[transA ? 1 : 0], b[transB ? 0 : 1]};
  if (context.has(2)) {
    MJ_TRY(context.ranked(2));
    MJ_TRY(context.same_dtype(0, 2));
    const Shape& c = context.shape(2);
    bool fits = c.size() <= 2;
    for (size_t back = 1; fits && back <= c.size(); ++back) {
      const Dim& dim = c[c.size() - back];
      fits = equal(dim, 1) != Tri::no || equal(dim, out[2 - back]) != Tri::no;
    }
    if (!fits) {
      return context.fail(
          fmt::format("input 2, {}, does not broadcast to {}", to_string(context[2].type), to_string(out)));
    }
  }
  return one(context.dtype(0), std::move(out));
}

Result<void> Gemm::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const int64_t m = out[0].dims()[0], n = out[0].dims()[1], k = in[0].dims()[transA ? 0 : 1];
  std::vector<double> y(m * n);
  reference_gemm(m, n, k, matrix(in[0], transA).data(), matrix(in[1], transB).data(), y.data());
  for (double& value : y) value *= alpha;
  if (in.size() > 2 && in[2].present()) {
    const Tensor& c = in[2];
    const std::vector<double> flat = widened(c);
    const int64_t rows = c.rank() == 2 ? c.dims()[0] : 1, columns = c.rank() >= 1 ? c.dims().back() : 1;
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        y[i * n + j] += beta * flat[(rows == 1 ? 0 : i) * columns + (columns == 1 ? 0 : j)];
      }
    }
  }
  narrow(y.data(), m * n, out[0]);
  return {};
}

MJ_REGISTER_OP(Gemm)

}  // namespace mj
