// SPDX-License-Identifier: Apache-2.0
// softmax(q k' * c + mask) v  =>  attention(xq, xk, xv, mask)
//
// where q, k and v, each [B,H,S,D], are data movement of xq, xk and xv (movement.h) and products by constants in any
// order, as TorchScript and torch.export spell it: of three projections [B,S,H*D], of one that holds all three, with
// the batch or the sequence first, or of anything else. NaNs of rows that are masked entirely may be replaced by 0
// (zero_masked_rows).
#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "ops/attention.h"
#include "ops/dim_texts.h"
#include "ops/softmax.h"
#include "ops/transpose.h"
#include "passes/edit.h"
#include "passes/movement.h"
#include "passes/passes.h"
#include "passes/pattern.h"

namespace mj {
namespace {

// One operand: its movement, and which of its dims are which.
struct Operand {
  Movement moved;
  Factors batch, heads, rows, depth;

  std::vector<Factors> bshd() const { return {batch, rows, joined({heads, depth})}; }
  std::vector<Factors> bhsd() const { return {batch, heads, rows, depth}; }
};

Operand operand(const Graph& graph, ValueId id, bool turned) {
  Operand found{movement_of(graph, id), {}, {}, {}, {}};
  const std::vector<Factors>& dims = found.moved.dims;
  found.batch = dims[0];
  found.heads = dims[1];
  found.rows = dims[turned ? 3 : 2];
  found.depth = dims[turned ? 2 : 3];
  return found;
}

using Operands = std::array<Operand, 3>;  // q, k, v

// The operand as part `part` of three that lie in one value as [B,S,3*H*D], but for a transpose; nothing if it is none.
std::optional<Operand> packed_part(const Operand& whole, int64_t part) {
  Operand found = whole;
  int third = -1;
  for (int factor : whole.moved.order) {
    if (!whole.moved.fixed[static_cast<size_t>(factor)]) continue;
    if (third >= 0) return std::nullopt;
    third = factor;
  }
  if (third < 0) return std::nullopt;
  std::optional<int64_t>& index = found.moved.fixed[static_cast<size_t>(third)];
  if (index != part || !(whole.moved.sizes[static_cast<size_t>(third)] == Dim(3))) return std::nullopt;
  index.reset();
  found.heads.insert(found.heads.begin(), third);
  return found;
}

// Where the parts of an operand stand in its source, whatever the factors' numbers.
std::vector<std::pair<int64_t, std::string>> places(const Operand& operand) {
  std::vector<std::pair<int64_t, std::string>> all;
  for (const Factors& dim : operand.bhsd()) {
    for (int factor : dim) {
      const auto at = std::find(operand.moved.order.begin(), operand.moved.order.end(), factor);
      all.emplace_back(at - operand.moved.order.begin(), to_string(operand.moved.sizes[static_cast<size_t>(factor)]));
    }
    all.emplace_back(-1, "");
  }
  return all;
}

// The value that holds q, k and v side by side, if one does.
std::optional<Operand> packed(const Operands& operands) {
  std::optional<Operand> first;
  for (size_t i = 0; i < operands.size(); ++i) {
    const std::optional<Operand> part = packed_part(operands[i], static_cast<int64_t>(i));
    if (!part) return std::nullopt;
    if (!first) first = part;
    if (part->moved.source != first->moved.source || places(*part) != places(*first)) return std::nullopt;
  }
  return first;
}

// The layout that needs fewer transposes, and the inputs in it.
std::vector<ValueId> lay_out(Graph& graph, const Operands& operands, std::string& layout) {
  if (const std::optional<Operand> whole = packed(operands)) {
    layout = "qkv";
    return {place(graph, whole->moved, whole->bshd())};
  }
  int64_t flat = 0, split = 1;  // the result of bhsd is transposed behind it, as a rule
  for (const Operand& x : operands) {
    flat += in_order(x.moved, x.bshd()) ? 0 : 1;
    split += in_order(x.moved, x.bhsd()) ? 0 : 1;
  }
  layout = flat <= split ? "bshd" : "bhsd";
  std::vector<ValueId> inputs;
  for (const Operand& x : operands) inputs.push_back(place(graph, x.moved, flat <= split ? x.bshd() : x.bhsd()));
  return inputs;
}

// What the softmax looks at: q k' with scale and mask.
struct Scores {
  ValueId q = kAbsent, k = kAbsent, mask = kAbsent;
  ValueId product = kAbsent;  // q k'
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
      found.product = id;
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
  const ValueId probabilities = softmax->outputs[0];
  const size_t users = attention.zero_masked_rows ? 2 : 1;  // where and is_nan, or the product
  if (!graph.single_use(node.inputs[0]) || graph.value(probabilities).users.size() != users ||
      graph.is_output(probabilities)) {
    return decline("the probabilities are used elsewhere too");
  }
  if (!graph.single_use(softmax->inputs[0]) || !graph.single_use(scores->product))
    return decline("the scores are used elsewhere too");
  if (!same_shape(graph.shape(softmax->inputs[0]), graph.shape(scores->product)))
    return decline("the mask makes the scores larger");
  const ValueId value = node.inputs[1];
  if (!graph.type(scores->q).shape || !graph.type(scores->k).shape || !graph.type(value).shape) return false;
  const Shape q = graph.shape(scores->q), k = graph.shape(scores->k), v = graph.shape(value);
  const bool ranks = q.size() == 4 && k.size() == 4 && v.size() == 4;
  if (!ranks || !same_shape({q[0], q[1]}, {k[0], k[1]}) || !same_shape({q[0], q[1]}, {v[0], v[1]}))
    return decline("the images or heads of q, k and v differ");
  if (!q[1].constant() || !q[3].constant() || !v[3].constant()) return decline("heads or their size are not known");
  const Operands operands = {operand(graph, scores->q, false), operand(graph, scores->k, true),
                             operand(graph, value, false)};
  if (operands[2].moved.scale != 1) return decline("v is scaled");
  for (const Operand& x : operands) {
    if (graph.type(x.moved.source).dtype != DType::f32) return decline("it is not f32");
  }
  attention.heads = *q[1].constant();
  attention.scale = static_cast<float>(scores->scale * operands[0].moved.scale * operands[1].moved.scale);
  if (attention.scale == 0 || !std::isfinite(attention.scale)) return decline("the scale is 0 or not finite");

  const NodeId first_new = graph.node_count();
  std::vector<ValueId> inputs = lay_out(graph, operands, attention.layout);
  if (scores->mask != kAbsent) inputs.push_back(scores->mask);
  Result<std::vector<ValueId>> made = graph.add(attention, inputs, 1);
  if (!made.ok()) return decline(made.error().message);
  ValueId result = (*made)[0];
  if (attention.layout != "bhsd") {
    // [B,S,H*D] -> [B,H,S,D]: the transposes and reshape behind it cancel against ours.
    const Shape heads = {q[0], q[2], q[1], v[3]};
    result =
        graph.add1(Transpose{{0, 2, 1, 3}}, {graph.add1(op("reshape_to", {{1, "shape", dim_texts(heads)}}), {result})});
  }
  graph.replace_uses(node.outputs[0], result);
  std::vector<std::string> origin = node.origin;
  add_dead_origins(graph, id, origin);
  for (NodeId one = first_new; one < graph.node_count(); ++one) graph.node(one).origin = origin;
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
