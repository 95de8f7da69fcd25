// SPDX-License-Identifier: Apache-2.0
// attention(x Wq + bq, x Wk + bk, x Wv + bv, mask)  =>  attention{layout="qkv"}(x [Wq Wk Wv] + [bq bk bv], mask)
//
// Each element is the same sum as before.
#include "ops/attention.h"
#include "ops/concat.h"
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

// x W + b with constant W [K,N] and b [N].
struct Linear {
  ValueId x = kAbsent, weights = kAbsent, bias = kAbsent;
  std::vector<std::string> origin;
};

std::optional<Linear> linear(const Graph& graph, ValueId id) {
  Linear found;
  const Node *node = graph.producer(id), *biased = nullptr;
  if (!graph.single_use(id)) return std::nullopt;
  if (node && node->is("add")) {
    const size_t bias = graph.value(node->inputs[0]).is_constant() ? 0 : 1;
    found.bias = node->inputs[bias];
    const ValueId product = node->inputs[1 - bias];
    if (!graph.value(found.bias).is_constant() || graph.type(found.bias).rank() != 1 || !graph.single_use(product)) {
      return std::nullopt;
    }
    biased = node;
    node = graph.producer(product);
  }
  if (!node || !node->is("matmul") || !node->epilogue.empty()) return std::nullopt;
  add_origins(*node, found.origin);
  if (biased) add_origins(*biased, found.origin);
  found.x = node->inputs[0];
  found.weights = node->inputs[1];
  const Value& weights = graph.value(found.weights);
  if (!weights.is_constant() || weights.type().rank() != 2) return std::nullopt;
  if (found.bias != kAbsent && graph.value(found.bias).info.constant.dims()[0] != weights.info.constant.dims()[1]) {
    return std::nullopt;
  }
  return found;
}

ValueId side_by_side(Graph& graph, ValueId a, ValueId b, ValueId c) {
  const std::vector<Tensor> parts = {graph.value(a).info.constant, graph.value(b).info.constant,
                                     graph.value(c).info.constant};
  return graph.add_constant(compute(Concat{-1}, parts));
}

Outcome merge(Graph& graph, const Match& m, const PassContext&) {
  const Node node = *graph.producer(m.root());
  Attention attention = node.op.as<Attention>();
  if (attention.layout != "bshd") return Outcome::no();
  const std::optional<Linear> q = linear(graph, node.inputs[0]), k = linear(graph, node.inputs[1]),
                              v = linear(graph, node.inputs[2]);
  if (!q || !k || !v) return "q, k or v is no product with constant weights";
  if (q->x != k->x || q->x != v->x) return "q, k and v come from different values";
  const bool biased = q->bias != kAbsent;
  if (biased != (k->bias != kAbsent) || biased != (v->bias != kAbsent)) return "only some have a bias";
  // The operator takes one head size for all three in this layout.
  const auto width = [&](const Linear& l) { return graph.value(l.weights).info.constant.dims()[1]; };
  if (width(*q) != width(*v) || width(*q) != width(*k)) return "q, k and v differ in width";

  std::vector<std::string> origin = q->origin;
  for (const Linear* linear : {&*k, &*v}) origin.insert(origin.end(), linear->origin.begin(), linear->origin.end());
  ValueId all = graph.add1(op("matmul"), {q->x, side_by_side(graph, q->weights, k->weights, v->weights)}, origin);
  if (biased) all = graph.add1(op("add"), {all, side_by_side(graph, q->bias, k->bias, v->bias)}, origin);
  attention.layout = "qkv";
  std::vector<ValueId> inputs = {all};
  if (node.inputs.size() > 3 && node.inputs[3] != kAbsent) inputs.push_back(node.inputs[3]);
  return graph.add1(attention, inputs);
}

}  // namespace

Pass merge_qkv() { return rewrite_pass("merge_qkv", {{"merge_qkv", node("attention"), merge}}); }

}  // namespace mj
