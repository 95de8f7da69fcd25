// SPDX-License-Identifier: Apache-2.0
// batch_norm(x, gamma, beta, mean, var)  =>  x * s + t     with s = gamma / sqrt(var + epsilon), t = beta - mean * s
// for what no convolution or gemm takes into its weights: pointwise maths joins its neighbours
#include "passes/affine.h"
#include "passes/passes.h"
#include "passes/rewrite.h"
#include "passes/weights.h"

namespace mj {

Pass lower_batch_norm() {
  const auto apply = [](Graph& graph, const Match& m, const PassContext&) -> Outcome {
    const std::optional<Affine> affine = batch_norm_affine(graph, *graph.producer(m.root()));
    if (!affine) return "the statistics are not constant";
    const Type type = graph.type(m["x"]);
    if (type.rank() < 1) return "the rank is not known";
    // Channels are dimension 1; ones behind them align the vector there.
    std::vector<int64_t> dims(static_cast<size_t>(std::max<int64_t>(type.rank() - 1, 1)), 1);
    dims[0] = std::ssize(affine->s);
    const ValueId s = graph.add_constant(vector_of(type.dtype, affine->s).reshaped(dims));
    const ValueId t = graph.add_constant(vector_of(type.dtype, affine->t).reshaped(dims));
    return graph.add1(op("add"), {graph.add1(op("mul"), {m["x"], s}), t});
  };
  return rewrite_pass("lower_batch_norm",
                      {{"batch_norm", node("batch_norm", {any("x"), any(), any(), any(), any()}), apply}});
}

}  // namespace mj
