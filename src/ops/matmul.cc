// SPDX-License-Identifier: Apache-2.0
#include "ops/matmul.h"

#include <fmt/format.h>

#include "ops/data_movement.h"
#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {

InferResult MatMul::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(2, 2));
  MJ_TRY(context.rank_at_least(0, 1));
  MJ_TRY(context.rank_at_least(1, 1));
  MJ_TRY(context.same_dtype(0, 1));
  if (!is_float(context.dtype(0)) && !is_integer(context.dtype(0))) {
    return context.fail(fmt::format("input 0 must be numbers, got {}", to_string(context[0].type)));
  }
  Shape a = context.shape(0), b = context.shape(1);
  const bool row = a.size() == 1, column = b.size() == 1;
  if (row) a.insert(a.begin(), 1);
  if (column) b.push_back(1);
  MJ_TRY(require_equal(context, "the inner dimensions of a and b", a.back(), b[b.size() - 2]));
  Result<Shape> out = broadcast_shapes(Shape(a.begin(), a.end() - 2), Shape(b.begin(), b.end() - 2));
  if (!out.ok()) return context.fail(out.error().message);
  if (!row) out->push_back(a[a.size() - 2]);
  if (!column) out->push_back(b.back());
  return one(context.dtype(0), std::move(*out));
}

Result<void> MatMul::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  std::vector<int64_t> a = in[0].dims(), b = in[1].dims();
  if (a.size() == 1) a.insert(a.begin(), 1);
  if (b.size() == 1) b.push_back(1);
  int64_t m = a[a.size() - 2];
  const int64_t k = a.back(), n = b.back();
  a.resize(a.size() - 2);
  b.resize(b.size() - 2);
  if (product(b) == 1 && b.size() <= a.size()) {  // one matrix for all: the batch is just more rows
    m *= product(a);
    a.clear();
    b.clear();
  }
  const std::vector<double> x = widened(in[0]), w = widened(in[1]);
  std::vector<double> y(m * n);
  const size_t rank = std::max(a.size(), b.size());
  a.insert(a.begin(), rank - a.size(), 1);
  b.insert(b.begin(), rank - b.size(), 1);
  std::vector<int64_t> batch(rank), index(rank);
  for (size_t d = 0; d < rank; ++d) batch[d] = a[d] == 1 ? b[d] : a[d];
  if (product(batch) == 0 || m * n == 0) return {};
  int64_t done = 0;
  do {
    int64_t i = 0, j = 0;
    for (size_t d = 0; d < rank; ++d) {
      i = i * a[d] + (a[d] == 1 ? 0 : index[d]);
      j = j * b[d] + (b[d] == 1 ? 0 : index[d]);
    }
    reference_gemm(m, n, k, x.data() + i * m * k, w.data() + j * k * n, y.data());
    narrow(y.data(), m * n, out[0], done);
    done += m * n;
  } while (next_index(batch, index));
  return {};
}

MJ_REGISTER_OP(MatMul)

}  // namespace mj
