// SPDX-License-Identifier: Apache-2.0
// reshape_to{..., n}(gemm(x, W, b))  =>  reshape_to{..., k}(x) W' + b      constant W' = W or its transpose [k,n]
//
// Exporters flatten the rows for a gemm and bring them back behind it: the reshapes meet before the product, and what
// follows (a residual, a transpose of rows) meets the product itself.
#include <array>

#include "ops/dim_texts.h"
#include "ops/gemm.h"
#include "ops/transpose.h"
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

Outcome rewrite(Graph& graph, const Match& m, const PassContext&) {
  const Node node = m.node("gemm");
  const Gemm gemm = node.op.as<Gemm>();
  Shape shape = graph.shape(m.root());
  const Tensor w = graph.value(node.inputs[1]).info.constant;
  const bool biased = node.inputs.size() > 2 && node.inputs[2] != kAbsent;
  if (gemm.transA || gemm.alpha != 1 || (biased && gemm.beta != 1)) return "it scales or transposes";
  if (!w.present() || !is_float(w.dtype())) return "the weights are not constant";
  const int64_t n = w.dims()[gemm.transB ? 0 : 1], k = w.dims()[gemm.transB ? 1 : 0];
  if (shape.size() < 3 || n == 0 || !(shape.back() == Dim(n))) return "it is not the rows that are reshaped";
  if (biased && graph.type(node.inputs[2]).rank() != 1) return "the bias is no row";
  shape.back() = Dim(k);
  const ValueId x = graph.add1(op("reshape_to", {{1, "shape", dim_texts(shape)}}), {node.inputs[0]});
  const ValueId weights = gemm.transB ? graph.add_constant(compute(Transpose{{1, 0}}, std::array{w})) : node.inputs[1];
  const ValueId product = graph.add1(op("matmul"), {x, weights});
  return biased ? graph.add1(op("add"), {product, node.inputs[2]}) : product;
}

}  // namespace

Pass gemm_to_matmul() {
  return rewrite_pass("gemm_to_matmul", {{"gemm", node("reshape_to", {node("gemm").as("gemm").once()}), rewrite}});
}

}  // namespace mj
