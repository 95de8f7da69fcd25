// SPDX-License-Identifier: Apache-2.0
// matmul(x, w) * s        =>  matmul(x, w * s)           where w is a constant matrix and s varies along the columns
// alone (matmul(x, w) + b) * s  =>  matmul(x, w * s) + b * s   for such a constant b An addition stays: it becomes an
// epilogue. Each weight is rounded once.
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/rewrite.h"
#include "passes/weights.h"

namespace mj {

Pass fold_matmul_scale() {
  const auto apply = [](Graph& graph, const Match& m, const PassContext&) -> Outcome {
    const Tensor weights = m.tensor("w");
    if (weights.rank() != 2 || !is_float(weights.dtype())) return "the weights are no matrix";
    if (!same_shape(m.shape("product"), graph.shape(m.root()))) return "the constant makes the result larger";
    const int64_t rank = graph.type(m.root()).rank(), columns = weights.dims()[1];
    const auto s = along_axis(m.tensor("s"), rank, rank - 1, columns);
    if (!s) return "the constant varies along more than the columns";
    std::optional<std::vector<double>> bias;
    if (m.has("b")) {
      bias = along_axis(m.tensor("b"), rank, rank - 1, columns);
      if (!bias) return "the bias varies along more than the columns";
      for (size_t c = 0; c < bias->size(); ++c) (*bias)[c] *= (*s)[c];
    }
    const ValueId product = graph.add1(op("matmul"), {m["x"], graph.add_constant(scaled(weights, 1, *s))});
    if (!bias) return product;
    return graph.add1(op("add"), {product, graph.add_constant(vector_of(weights.dtype(), *bias))});
  };
  const Pattern product = node("matmul", {any("x"), constant("w")}).as("product").once();
  return rewrite_pass("fold_matmul_scale",
                      {{"mul", node("mul", {product, constant("s")}), apply},
                       {"biased", node("mul", {node("add", {product, constant("b")}).once(), constant("s")}), apply}});
}

}  // namespace mj
