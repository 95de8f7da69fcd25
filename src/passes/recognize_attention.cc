// SPDX-License-Identifier: Apache-2.0
// softmax(q k' * c + mask) v  =>  attention(xq, xk, xv, mask)
//
// where q, k and v, each [B,H,S,D] or [B*H,S,D], are data movement of xq, xk and xv (movement.h) and products by
// constants in any order, as TorchScript and torch.export spell it: of three projections [B,S,H*D], of one that holds
// all three, with the batch or the sequence first, or of anything else. Heads of k and v may be repeated for several of
// q. The scores may be scaled, added to and replaced by a number far below them (where) in any order:
//   (s + a) * c         =>  s * c + a * c
//   where(m, s, -1e38)  =>  s + where(m, 0, -1e38)
// NaNs of rows that are masked entirely may be replaced by 0 (zero_masked_rows).
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
  Operand found{movement_of(graph, id, Expansions::pass), {}, {}, {}, {}};
  const std::vector<Factors>& dims = found.moved.dims;
  if (dims.size() == 4) {
    found.batch = dims[0];
    found.heads = dims[1];
  } else {  // images and heads are one dim: heads are the inner ones
    found.batch = dims[0];
    if (found.batch.size() > 1) {
      found.heads = {found.batch.back()};
      found.batch.pop_back();
    }
  }
  found.rows = dims[dims.size() - (turned ? 1 : 2)];
  found.depth = dims[dims.size() - (turned ? 2 : 1)];
  return found;
}

Dim size_of(const Operand& x, const Factors& factors) {
  Dim all = 1;
  for (int factor : factors) all *= x.moved.sizes[static_cast<size_t>(factor)];
  return all;
}

// Takes the innermost heads that only repeat others out of k or v. False where anything else is repeated.
bool unrepeat(Operand& x, bool is_query) {
  const auto repeated = [&](int factor) { return is_repeated(x.moved, factor); };
  while (!is_query && !x.heads.empty() && repeated(x.heads.back())) x.heads.pop_back();
  return std::none_of(x.heads.begin(), x.heads.end(), repeated) &&
         std::none_of(x.batch.begin(), x.batch.end(), repeated) &&
         std::none_of(x.rows.begin(), x.rows.end(), repeated) && std::none_of(x.depth.begin(), x.depth.end(), repeated);
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
  if (size_of(operands[0], operands[0].heads) != size_of(operands[1], operands[1].heads)) return std::nullopt;
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

// What the softmax looks at: q k', and what is done to it, the innermost first.
struct Scores {
  enum class Kind { scale, add, hide };
  struct Step {
    Kind kind;
    double factor = 1;         // scale
    ValueId value = kAbsent;   // add: the summand; hide: where's condition
    ValueId number = kAbsent;  // hide: what takes the scores' place,
    bool where_true = false;   // and whether that is where the condition holds
  };
  ValueId q = kAbsent, k = kAbsent;
  ValueId product = kAbsent;  // q k'
  std::vector<Step> steps;

  double scale() const {
    double all = 1;
    for (const Step& step : steps) all *= step.factor;
    return all;
  }
};

// Is it so far below every score that a score added to it is lost?
bool hides(const Graph& graph, ValueId id) {
  const Value& value = graph.value(id);
  const std::optional<double> number =
      value.is_constant() && value.type().dtype == DType::f32 ? scalar_value(value.info.constant) : std::nullopt;
  return number && *number <= -1e30;
}

std::optional<Scores> scores_of(const Graph& graph, ValueId id, int depth = 0) {
  const Node* node = graph.producer(id);
  if (!node || depth > 6) return std::nullopt;
  if (node->is("matmul") && node->epilogue.empty()) return Scores{node->inputs[0], node->inputs[1], id, {}};
  std::optional<Scores> inner;
  const auto with = [&](Scores::Step step) {
    if (inner) inner->steps.push_back(step);
    return inner;
  };
  if (const auto product = scalar_product(graph, *node)) {
    inner = scores_of(graph, product->first, depth + 1);
    return with({.kind = Scores::Kind::scale, .factor = product->second});
  }
  if (node->is("add")) {  // the summand is the operand that is no product of matrices
    for (size_t i : {size_t{0}, size_t{1}}) {
      if ((inner = scores_of(graph, node->inputs[i], depth + 1)))
        return with({.kind = Scores::Kind::add, .value = node->inputs[1 - i]});
    }
  }
  if (node->is("where")) {
    const bool where_true = hides(graph, node->inputs[1]);
    if (!where_true && !hides(graph, node->inputs[2])) return std::nullopt;
    inner = scores_of(graph, node->inputs[where_true ? 2 : 1], depth + 1);
    return with({.kind = Scores::Kind::hide,
                 .value = node->inputs[0],
                 .number = node->inputs[where_true ? 1 : 2],
                 .where_true = where_true});
  }
  return std::nullopt;
}

// What is added to the scaled product in the end; kAbsent if nothing is.
ValueId mask_of(Graph& graph, const Scores& scores) {
  ValueId mask = kAbsent;
  for (const Scores::Step& step : scores.steps) {
    switch (step.kind) {
      case Scores::Kind::scale:
        if (mask != kAbsent)
          mask = graph.add1(op("mul"), {mask, graph.add_constant(Tensor::scalar(static_cast<float>(step.factor)))});
        break;
      case Scores::Kind::add:
        mask = mask == kAbsent ? step.value : graph.add1(op("add"), {mask, step.value});
        break;
      case Scores::Kind::hide:
        if (mask == kAbsent) mask = graph.add_constant(Tensor::scalar(0.0f));
        mask = step.where_true ? graph.add1(op("where"), {step.value, step.number, mask})
                               : graph.add1(op("where"), {step.value, mask, step.number});
        break;
    }
  }
  return mask;
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

// Why q, k and v cannot be an attention's operands, or nothing.
std::string why_not(const Graph& graph, const Operands& x) {
  for (size_t i = 1; i < x.size(); ++i) {
    if (equal(size_of(x[i], x[i].batch), size_of(x[0], x[0].batch)) != Tri::yes)
      return "the images of q, k and v differ";
  }
  if (!size_of(x[0], x[0].heads).constant() || !size_of(x[0], x[0].depth).constant() ||
      !size_of(x[2], x[2].depth).constant()) {
    return "heads or their size are not known";
  }
  if (size_of(x[1], x[1].heads) != size_of(x[2], x[2].heads)) return "the heads of k and v differ";
  if (x[2].moved.scale != 1) return "v is scaled";
  for (const Operand& one : x) {
    if (graph.type(one.moved.source).dtype != DType::f32) return "it is not f32";
  }
  return "";
}

bool rewrite(Graph& graph, NodeId id, const PassContext& context) {
  const Node node = graph.node(id);
  const int64_t rank = graph.type(node.outputs[0]).rank();
  if (!node.is("matmul") || !node.epilogue.empty() || (rank != 3 && rank != 4)) return false;
  Attention attention;
  const Node* softmax = softmax_of(graph, node.inputs[0], attention.zero_masked_rows);
  if (!softmax) return false;
  const int64_t axis = softmax->op.get_if<Softmax>()->axis;
  const std::optional<Scores> scores =
      axis == -1 || axis == rank - 1 ? scores_of(graph, softmax->inputs[0]) : std::nullopt;
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
  for (ValueId operand : {scores->q, scores->k, value}) {
    if (!graph.type(operand).shape) return false;
    if (graph.type(operand).rank() != rank) return decline("the ranks of q, k and v differ");
  }
  // Of dims that are broadcast only heads are understood: all of q share one of k and v.
  const auto lead = [&](ValueId v) { return Shape(graph.shape(v).begin(), graph.shape(v).end() - 2); };
  const Shape q_lead = lead(scores->q), k_lead = lead(scores->k);
  const bool shared = rank == 4 && equal(q_lead[0], k_lead[0]) == Tri::yes && k_lead[1] == Dim(1);
  if (!same_shape(k_lead, lead(value)) || (!same_shape(q_lead, k_lead) && !shared))
    return decline("the images or heads of q, k and v differ");
  Operands operands = {operand(graph, scores->q, false), operand(graph, scores->k, true), operand(graph, value, false)};
  const Dim heads = size_of(operands[0], operands[0].heads);
  for (Operand& x : operands) {
    if (!shared && size_of(x, x.heads) != heads)
      return decline("the heads of q, k and v are laid out in different ways");
    if (!unrepeat(x, &x == &operands[0])) return decline("an operand is repeated, but not by heads");
  }
  if (std::string why = why_not(graph, operands); !why.empty()) return decline(std::move(why));
  const Dim images = size_of(operands[0], operands[0].batch);
  const Dim kv_heads = size_of(operands[1], operands[1].heads);
  attention.heads = *heads.constant();
  if (kv_heads != heads) attention.kv_heads = *kv_heads.constant();
  attention.scale = static_cast<float>(scores->scale() * operands[0].moved.scale * operands[1].moved.scale);
  if (attention.scale == 0 || !std::isfinite(attention.scale)) return decline("the scale is 0 or not finite");

  const Shape whole = graph.shape(node.outputs[0]);
  const Dim &queries = whole[whole.size() - 2], &depth = whole.back();
  const NodeId first_new = graph.node_count();
  std::vector<ValueId> inputs = lay_out(graph, operands, attention.layout);
  if (ValueId mask = mask_of(graph, *scores); mask != kAbsent) {
    if (rank == 3 && graph.type(mask).rank() == 3 && !(graph.shape(mask)[0] == Dim(1))) {
      const Shape split = {images, heads, graph.shape(mask)[1], graph.shape(mask)[2]};
      mask = graph.add1(op("reshape_to", {{1, "shape", dim_texts(split)}}), {mask});
    }
    inputs.push_back(mask);
  }
  Result<std::vector<ValueId>> made = graph.add(attention, inputs, 1);
  if (!made.ok()) return decline(made.error().message);
  ValueId result = (*made)[0];
  if (attention.layout != "bhsd") {
    // [B,S,H*D] -> [B,H,S,D]: the transposes and reshape behind it cancel against ours.
    const Shape split = {images, queries, heads, depth};
    result =
        graph.add1(Transpose{{0, 2, 1, 3}}, {graph.add1(op("reshape_to", {{1, "shape", dim_texts(split)}}), {result})});
  }
  if (rank == 3) result = graph.add1(op("reshape_to", {{1, "shape", dim_texts(whole)}}), {result});
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
