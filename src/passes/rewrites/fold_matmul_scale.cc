// SPDX-License-Identifier: Apache-2.0
// matmul(x, w) * s  =>  matmul(x, w * s)     where w is a constant matrix and s varies along the columns alone
// An addition stays: it becomes an epilogue. Each weight is rounded once.
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
    const int64_t rank = graph.type(m.root()).rank();
    const auto s = along_axis(m.tensor("s"), rank, rank - 1, weights.dims()[1]);
    if (!s) return "the constant varies along more than the columns";
    return graph.add1(op("matmul"), {m["x"], graph.add_constant(scaled(weights, 1, *s))});
  };
  return rewrite_pass(
      "fold_matmul_scale",
      {{"mul", node("mul", {node("matmul", {any("x"), constant("w")}).as("product").once(), constant("s")}), apply}});
}

}  // namespace mj
