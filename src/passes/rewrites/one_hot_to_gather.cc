// SPDX-License-Identifier: Apache-2.0
// matmul(cast(equal(x, [0, 1, ..., n - 1])), w)  =>  gather(w', min(max(x, -1), n))     with w' = w and a row of zeros
//
// where x [...,1] are integers and w [n,k] is constant: an embedding as JAX writes it. -1 and n both mean the last row.
#include "ops/dim_texts.h"
#include "ops/gather.h"
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

// Are the elements 0, 1, 2, ... along the last axis?
bool counts(const Tensor& tensor, int64_t n) {
  if (tensor.size() != n || tensor.rank() < 1 || tensor.dims().back() != n) return false;
  const std::vector<int64_t> values = tensor.to_i64();
  for (int64_t i = 0; i < n; ++i) {
    if (values[static_cast<size_t>(i)] != i) return false;
  }
  return true;
}

Outcome embed(Graph& graph, const Match& m, const PassContext&) {
  const Type x = graph.type(m["x"]);
  const Tensor w = m.tensor("w");
  if ((x.dtype != DType::i32 && x.dtype != DType::i64) || w.dtype() != DType::f32 || w.rank() != 2 || !x.shape)
    return Outcome::no();
  const int64_t rows = w.dims()[0];
  if (x.rank() < 1 || !(x.shape->back() == Dim(1)) || x.rank() != graph.type(m.root()).rank())
    return "the indices have no last axis of 1";
  if (!counts(m.tensor("numbers"), rows)) return "the numbers are not 0, 1, 2, ...";
  const auto number = [&](int64_t value) {
    return graph.add_constant(x.dtype == DType::i64 ? Tensor::scalar(value)
                                                    : Tensor::scalar(static_cast<int32_t>(value)));
  };
  const ValueId clipped = graph.add1(op("min"), {graph.add1(op("max"), {m["x"], number(-1)}), number(rows)});
  const Shape lead(x.shape->begin(), x.shape->end() - 1);
  const ValueId indices = graph.add1(op("reshape_to", {{1, "shape", dim_texts(lead)}}), {clipped});
  const Tensor zeros = Tensor::zeros(DType::f32, {1, w.dims()[1]});
  const ValueId table =
      graph.add_constant(compute(op("concat", {{1, "axis", int64_t{0}}}), std::vector<Tensor>{w, zeros}));
  return graph.add1(Gather{0}, {table, indices});
}

}  // namespace

Pass one_hot_to_gather() {
  const Pattern one_hot = node("cast", {node("equal", {any("x"), constant("numbers")})});
  return rewrite_pass("one_hot_to_gather", {{"embed", node("matmul", {one_hot, constant("w")}), embed}});
}

}  // namespace mj
