// SPDX-License-Identifier: Apache-2.0
// softmax(q k' * c + mask) v  =>  attention(xq, xk, xv, mask)
//
// where q, k, v are [B,S,H*D] projections split into heads: reshaped to [B,S,H,D], transposed, scaled by constants in
// any order, as TorchScript and torch.export spell it; the result is brought back to [B,S,H*D]. NaNs of rows that are
// masked entirely may be replaced by 0 (zero_masked_rows).
#include <algorithm>
#include <optional>

#include "ops/attention.h"
#include "ops/dim_texts.h"
#include "ops/softmax.h"
#include "ops/transpose.h"
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/pattern.h"

namespace mj {
namespace {

using Perm = std::vector<int64_t>;

bool is_reshape(const Node& node) { return node.is("reshape_to") || node.is("reshape"); }

// A product with a constant scalar: the other operand and the factor.
std::optional<std::pair<ValueId, double>> scalar_product(const Graph& graph, const Node& node) {
  if (!node.is("mul") && !node.is("div")) return std::nullopt;
  for (size_t i : {size_t{0}, size_t{1}}) {
    const Value& factor = graph.value(node.inputs[1 - i]);
    if (!factor.is_constant() || (node.is("div") && i == 1)) continue;
    const std::optional<double> value = scalar_value(factor.info.constant);
    if (!value || graph.type(node.outputs[0]).rank() != graph.type(node.inputs[i]).rank()) continue;
    return std::pair(node.inputs[i], node.is("div") ? 1 / *value : *value);
  }
  return std::nullopt;
}

// A [B,S,H*D] value split into heads.
struct Heads {
  ValueId x = kAbsent;
  int64_t heads = 0, size = 0;
  double scale = 1;
};

// Reshapes of the outer two dims to one and back around a transpose of the inner two: the value before, or kAbsent.
ValueId through_flat_transpose(const Graph& graph, const Node& outer) {
  const Node* transpose = graph.producer(outer.inputs[0]);
  if (!transpose || !transpose->is("transpose") || transpose->op.get_if<Transpose>()->order(3) != Perm{0, 2, 1})
    return kAbsent;
  if (graph.type(transpose->inputs[0]).rank() != 3) return kAbsent;
  const Node* inner = graph.producer(transpose->inputs[0]);
  if (!inner || !is_reshape(*inner) || graph.type(inner->inputs[0]).rank() != 4) return kAbsent;
  const Shape &before = graph.shape(inner->inputs[0]), &after = graph.shape(outer.outputs[0]);
  const bool fits = before[0] == after[0] && before[1] == after[1] && before[2] == after[3] && before[3] == after[2];
  return fits ? inner->inputs[0] : kAbsent;
}

// Walks up from a rank-4 operand to the [B,S,H*D] value that it was split from; `want` is the permutation of [B,S,H,D]
// that the operand must be.
std::optional<Heads> split_heads(const Graph& graph, ValueId id, const Perm& want) {
  Heads found;
  Perm perm = {0, 1, 2, 3};  // of the operand, in terms of the value walked to
  for (int steps = 0; steps < 16; ++steps) {
    const Node* node = graph.producer(id);
    if (!node || graph.type(id).rank() != 4) return std::nullopt;
    if (const auto product = scalar_product(graph, *node)) {
      found.scale *= product->second;
      id = product->first;
    } else if (const Transpose* transpose = node->op.get_if<Transpose>()) {
      const Perm inner = transpose->order(4);
      for (int64_t& axis : perm) axis = inner[static_cast<size_t>(axis)];
      id = node->inputs[0];
    } else if (is_reshape(*node)) {
      if (const ValueId through = through_flat_transpose(graph, *node); through != kAbsent) {
        const Perm inner = {0, 1, 3, 2};
        for (int64_t& axis : perm) axis = inner[static_cast<size_t>(axis)];
        id = through;
        continue;
      }
      const Type& from = graph.type(node->inputs[0]);
      if (from.rank() != 3 || perm != want) return std::nullopt;
      const Shape& heads = graph.shape(id);
      const std::optional<int64_t> h = heads[2].constant(), d = heads[3].constant();
      if (!h || !d || !(heads[0] == (*from.shape)[0]) || !(heads[1] == (*from.shape)[1])) return std::nullopt;
      found.x = node->inputs[0];
      found.heads = *h;
      found.size = *d;
      return found;
    } else {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

// What the softmax looks at: q k' with scale and mask.
struct Scores {
  ValueId q = kAbsent, k = kAbsent, mask = kAbsent;
  double scale = 1;
};

std::optional<Scores> scores_of(const Graph& graph, ValueId id) {
  Scores found;
  for (int steps = 0; steps < 4; ++steps) {
    const Node* node = graph.producer(id);
    if (!node) return std::nullopt;
    if (node->is("matmul") && node->epilogue.empty()) {
      found.q = node->inputs[0];
      found.k = node->inputs[1];
      return found;
    }
    if (const auto product = scalar_product(graph, *node)) {
      found.scale *= product->second;
      id = product->first;
    } else if (node->is("add") && found.mask == kAbsent && found.scale == 1) {
      // The mask is the operand that is no product of matrices.
      const auto is_scores = [&](ValueId v) { return scores_of(graph, v).has_value(); };
      const size_t at = is_scores(node->inputs[0]) ? 0 : 1;
      found.mask = node->inputs[1 - at];
      id = node->inputs[at];
    } else {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

// The softmax behind `id`, through where(is_nan(p), 0, p).
const Node* softmax_of(const Graph& graph, ValueId id, bool& zero_masked_rows) {
  const Node* node = graph.producer(id);
  if (node && node->is("where")) {
    const Node* test = graph.producer(node->inputs[0]);
    const std::optional<double> zero = graph.value(node->inputs[1]).is_constant()
                                           ? scalar_value(graph.value(node->inputs[1]).info.constant)
                                           : std::nullopt;
    if (!test || !test->is("is_nan") || test->inputs[0] != node->inputs[2] || zero != 0.0) return nullptr;
    zero_masked_rows = true;
    node = graph.producer(node->inputs[2]);
  }
  return node && node->is("softmax") ? node : nullptr;
}

bool rewrite(Graph& graph, NodeId id, const PassContext& context) {
  const Node node = graph.node(id);
  if (!node.is("matmul") || !node.epilogue.empty() || graph.type(node.outputs[0]).rank() != 4) return false;
  Attention attention;
  const Node* softmax = softmax_of(graph, node.inputs[0], attention.zero_masked_rows);
  if (!softmax) return false;
  const int64_t axis = softmax->op.get_if<Softmax>()->axis;
  const std::optional<Scores> scores = axis == -1 || axis == 3 ? scores_of(graph, softmax->inputs[0]) : std::nullopt;
  auto decline = [&](std::string why) {
    context.why_not(graph, node, std::move(why));
    return false;
  };
  if (!scores) return decline("what the softmax sees is no scaled and masked product");
  const std::optional<Heads> q = split_heads(graph, scores->q, {0, 2, 1, 3}),
                             k = split_heads(graph, scores->k, {0, 2, 3, 1}),
                             v = split_heads(graph, node.inputs[1], {0, 2, 1, 3});
  if (!q || !k || !v) return decline("q, k or v is not [B,S,H*D] split into heads");
  if (q->heads != k->heads || q->heads != v->heads || q->size != k->size)
    return decline("the heads of q, k and v differ");
  if (v->scale != 1) return decline("v is scaled");
  for (ValueId x : {q->x, k->x, v->x}) {
    if (graph.type(x).dtype != DType::f32) return decline("it is not f32");
  }
  attention.heads = q->heads;
  attention.scale = static_cast<float>(scores->scale * q->scale * k->scale);

  // result [B,H,S,D] -> [B,S,H,D]: the transposes and reshape behind it cancel against ours.
  std::vector<ValueId> inputs = {q->x, k->x, v->x};
  if (scores->mask != kAbsent) inputs.push_back(scores->mask);
  Result<std::vector<ValueId>> joined = graph.add(attention, inputs, 1, {}, node.origin);
  if (!joined.ok()) return decline(joined.error().message);
  const Shape& whole = graph.shape((*joined)[0]);
  const Shape heads = {whole[0], whole[1], q->heads, v->size};
  const ValueId split = graph.add1(op("reshape_to", {{0, "shape", dim_texts(heads)}}), {(*joined)[0]});
  const ValueId back = graph.add1(Transpose{{0, 2, 1, 3}}, {split});
  graph.replace_uses(node.outputs[0], back);
  erase_dead(graph, id);
  return true;
}

}  // namespace

Pass recognize_attention() {
  return {"recognize_attention", [](Graph& graph, const PassContext& context) -> Result<bool> {
            bool changed = false;
            for (NodeId id : graph.order()) {
              if (!graph.node(id).erased) changed |= rewrite(graph, id, context);
            }
            return changed;
          }};
}

}  // namespace mj
