// SPDX-License-Identifier: Apache-2.0
// batch_norm(gemm(a, w, c))  =>  gemm(a, w * s, c * s + t)         along the columns
// gemm(batch_norm(a), w, c)  =>  gemm(a, s * w, c + t * w)         along the rows of w
//   where s = gamma / sqrt(var + epsilon), t = beta - mean * s, computed in double; each weight is rounded once
#include "ops/gemm.h"
#include "passes/affine.h"
#include "passes/passes.h"
#include "passes/rewrite.h"
#include "passes/weights.h"

namespace mj {
namespace {

std::string refuses(const Graph& graph, const Node& node) {
  const Gemm& gemm = node.op.as<Gemm>();
  const Value& weights = graph.value(node.inputs[1]);
  if (!weights.is_constant() || !is_float(weights.type().dtype)) return "the weights are not constant";
  const bool has_bias = node.inputs.size() > 2 && node.inputs[2] != kAbsent;
  if (has_bias && !graph.value(node.inputs[2]).is_constant()) return "the bias is not constant";
  if (gemm.alpha != 1 || gemm.beta != 1) return "alpha or beta is not 1";
  return "";
}

// The bias for each column; nothing if it varies along the rows too.
std::optional<std::vector<double>> bias_of(const Graph& graph, const Node& node, int64_t columns) {
  if (node.inputs.size() < 3 || node.inputs[2] == kAbsent)
    return std::vector<double>(static_cast<size_t>(columns), 0.0);
  return along_axis(graph.value(node.inputs[2]).info.constant, 2, 1, columns);
}

Outcome after(Graph& graph, const Match& m, const PassContext&) {
  const Node node = m.node("gemm");
  if (std::string reason = refuses(graph, node); !reason.empty()) return reason;
  const std::optional<Affine> affine = batch_norm_affine(graph, *graph.producer(m.root()));
  if (!affine) return "the statistics are not constant";
  std::optional<std::vector<double>> bias = bias_of(graph, node, std::ssize(affine->s));
  if (!bias) return "the bias varies along the rows";
  for (size_t c = 0; c < bias->size(); ++c) (*bias)[c] = (*bias)[c] * affine->s[c] + affine->t[c];
  const Tensor weights = graph.value(node.inputs[1]).info.constant;
  const int64_t columns_axis = node.op.get_if<Gemm>()->transB ? 0 : 1;
  const ValueId w = graph.add_constant(scaled(weights, columns_axis, affine->s));
  return graph.add1(node.op, {node.inputs[0], w, graph.add_constant(vector_of(weights.dtype(), *bias))});
}

Outcome before_gemm(Graph& graph, const Match& m, const PassContext&) {
  const Node node = *graph.producer(m.root());
  if (std::string reason = refuses(graph, node); !reason.empty()) return reason;
  const std::optional<Affine> affine = batch_norm_affine(graph, m.node("norm"));
  if (!affine) return "the statistics are not constant";
  const Gemm& gemm = node.op.as<Gemm>();
  if (gemm.transA) return "a is transposed";
  const Tensor weights = graph.value(node.inputs[1]).info.constant;
  const int64_t rows_axis = gemm.transB ? 1 : 0;
  const int64_t columns = weights.dims()[static_cast<size_t>(1 - rows_axis)];
  std::optional<std::vector<double>> bias = bias_of(graph, node, columns);
  if (!bias) return "the bias varies along the rows";
  const std::vector<double> w = weights.to_f64();
  const int64_t rows = weights.dims()[static_cast<size_t>(rows_axis)];
  for (int64_t k = 0; k < rows; ++k) {
    for (int64_t n = 0; n < columns; ++n) {
      const int64_t at = gemm.transB ? n * rows + k : k * columns + n;
      (*bias)[static_cast<size_t>(n)] += affine->t[static_cast<size_t>(k)] * w[static_cast<size_t>(at)];
    }
  }
  const ValueId scaled_weights = graph.add_constant(scaled(weights, rows_axis, affine->s));
  return graph.add1(node.op, {m["a"], scaled_weights, graph.add_constant(vector_of(weights.dtype(), *bias))});
}

}  // namespace

Pass fold_gemm_batch_norm() {
  const Pattern norm = node("batch_norm", {any("a"), any(), any(), any(), any()}).as("norm").once();
  return rewrite_pass(
      "fold_gemm_batch_norm",
      {{"after", node("batch_norm", {node("gemm").as("gemm").once(), any(), any(), any(), any()}), after},
       {"before", either({node("gemm", {norm, constant("w")}), node("gemm", {norm, constant("w"), any()})}),
        before_gemm}});
}

}  // namespace mj
