// SPDX-License-Identifier: Apache-2.0
// Attention with all it may have: a cache of keys and values, a window, capped scores, the scores as an output.
//   K = concat(past_key, K)   V = concat(past_value, V)
//   scores = cap(Q K' * scale) + bias   Y = softmax(scores) V
//   bias = mask + causal + window + padding, each 0 or -inf where it is not given as numbers
// A query at row i stands at position i + offset, where offset is what the cache holds: past keys, or in each batch
// nonpad_kv_seqlen less the queries.
#include "import/ops/attention_in_parts.h"

#include <cmath>
#include <limits>

#include "import/importer.h"

namespace mj::onnx {
namespace {

class Parts {
 public:
  Parts(NodeImport& node, bool split, int64_t heads, int64_t kv_heads)
      : node_(node), split_(split), heads_(heads), kv_heads_(kv_heads), dtype_(node.dtype(node.in(0))) {}

  void run() {
    const ValueId q = by_head(node_.in(0), heads_);
    ValueId k = by_head(node_.in(1), kv_heads_), v = by_head(node_.in(2), kv_heads_);
    if (node_.has(4) != node_.has(5)) return node_.fail("past_key and past_value come together");
    const bool cached = node_.has(4);
    if (cached) {
      k = emit("concat", {{0, "axis", int64_t{2}}}, {node_.in(4), k});
      v = emit("concat", {{0, "axis", int64_t{2}}}, {node_.in(5), v});
    }
    node_.output(1, k);
    node_.output(2, v);
    queries_ = size(q, 2);
    if (!counted()) all_heads_ = size(q, 1);
    keys_ = size(k, 2);
    const ValueId bias = this->bias(cached);
    const float cap = node_.number("softcap", 0), scale = node_.number("scale", 0);
    const int64_t mode = node_.integer("qk_matmul_output_mode", 0);
    if (cap == 0 && !node_.wants(3) && counted()) {
      std::vector<ValueId> inputs{q, k, v};
      if (bias != kAbsent) inputs.push_back(bias);
      return finish(node_.emit(op("attention", {{0, "heads", heads_},
                                                {0, "kv_heads", kv_heads_},
                                                {0, "scale", scale},
                                                {0, "layout", std::string("bhsd")},
                                                {0, "zero_masked_rows", true}}),
                               inputs));
    }
    ValueId scores = emit("matmul", {}, {scaled(q, q, scale), transposed(scaled(repeated(k), q, scale), {0, 1, 3, 2})});
    if (mode == 0) node_.output(3, scores);
    if (cap != 0) {
      const ValueId limit = node_.scalar(cap, dtype_);
      scores = emit("mul", {}, {emit("tanh", {}, {emit("div", {}, {scores, limit})}), limit});
    }
    if (mode == 1) node_.output(3, scores);
    if (bias != kAbsent) scores = emit("add", {}, {scores, bias});
    if (mode == 2) node_.output(3, scores);
    ValueId weights = emit("softmax", {{0, "axis", int64_t{-1}}}, {scores});
    if (bias != kAbsent) {  // a query that may see nothing gives 0
      const ValueId best = emit("reduce_max", {{0, "axes", std::vector<int64_t>{-1}}}, {bias});
      const ValueId blind = emit("equal", {}, {best, hidden()});
      weights = emit("where", {}, {blind, node_.scalar(0, dtype_), weights});
    }
    if (mode == 3) node_.output(3, weights);
    finish(emit("matmul", {}, {weights, repeated(v)}));
  }

  // FlexAttention: graphs of the user's change the scores and the weights.
  void run_flexible() {
    const ValueId q = node_.in(0), k = node_.in(1), v = node_.in(2);
    if (!counted()) all_heads_ = size(q, 1);
    const bool half = dtype_ == DType::f16 || dtype_ == DType::bf16;
    const DType wide = node_.dtype("softmax_precision", half ? DType::f32 : dtype_);
    const Op widen = op("cast", {{0, "to", wide}}), narrow = op("cast", {{0, "to", node_.dtype(v)}});
    const float scale = node_.number("scale", 0);
    const ValueId keys = transposed(scaled(repeated(k), q, scale), {0, 1, 3, 2});
    ValueId scores = node_.emit(widen, {emit("matmul", {}, {scaled(q, q, scale), keys})});
    scores = changed("score_mod", scores);
    const ValueId weights = changed("prob_mod", emit("softmax", {{0, "axis", int64_t{-1}}}, {scores}));
    node_.output(0, node_.emit(narrow, {emit("matmul", {}, {weights, node_.emit(widen, {repeated(v)})})}));
  }

 private:
  // By the graph in this attribute, if it is there.
  ValueId changed(std::string_view attribute, ValueId x) {
    if (!node_.has_attribute(attribute)) return x;
    const GraphProto* graph = node_.subgraph(attribute);
    if (node_.failed()) return kAbsent;
    const std::vector<ValueId> results = node_.importer.inline_graph(node_, *graph, std::span(&x, 1));
    if (results.size() == 1) return results[0];
    node_.fail("'{}' must have one output", attribute);
    return kAbsent;
  }

  ValueId emit(std::string_view name, std::initializer_list<NamedField> fields, std::vector<ValueId> inputs) {
    return node_.failed() ? kAbsent : node_.emit(op(name, fields), std::move(inputs));
  }
  ValueId numbers(std::vector<int64_t> values) { return node_.integers_constant(values); }
  ValueId hidden() { return node_.scalar(-std::numeric_limits<double>::infinity(), dtype_); }
  ValueId transposed(ValueId x, std::vector<int64_t> perm) { return emit("transpose", {{0, "perm", perm}}, {x}); }
  ValueId size(ValueId x, int64_t axis) {
    return emit("gather", {{0, "axis", int64_t{0}}},
                {emit("shape", {}, {x}), node_.constant(Tensor::scalar<int64_t>(axis))});
  }

  // [B,S,heads*D] as [B,heads,S,D]
  ValueId by_head(ValueId x, int64_t heads) {
    if (split_) return x;
    return transposed(emit("reshape", {}, {x, numbers({0, 0, heads, -1})}), {0, 2, 1, 3});
  }

  void finish(ValueId y) {
    if (!split_) y = emit("reshape", {}, {transposed(y, {0, 2, 1, 3}), numbers({0, 0, -1})});
    node_.output(0, y);
  }

  // Are the numbers of heads known before running?
  bool counted() const { return heads_ > 0 && kv_heads_ > 0; }
  ValueId row(ValueId number) { return emit("unsqueeze", {{0, "axes", std::vector<int64_t>{0}}}, {number}); }
  ValueId joined(std::vector<ValueId> rows) { return emit("concat", {{0, "axis", int64_t{0}}}, std::move(rows)); }

  // Each head of keys or values for all the heads of queries that share it.
  ValueId repeated(ValueId x) {
    if (counted() && heads_ == kv_heads_) return x;
    const ValueId each = emit("unsqueeze", {{0, "axes", std::vector<int64_t>{2}}}, {x});
    const ValueId heads = counted() ? numbers({heads_}) : row(all_heads_);
    const ValueId share = counted() ? numbers({heads_ / kv_heads_}) : row(emit("div", {}, {all_heads_, size(x, 1)}));
    const ValueId all = emit("tile", {}, {each, joined({numbers({1, 1}), share, numbers({1, 1})})});
    const ValueId rest = emit("shape", {{0, "start", int64_t{2}}}, {x});
    return emit("reshape", {}, {all, joined({numbers({0}), heads, rest})});
  }

  // By the root of the scale, which is 1 / sqrt(the queries' head size) unless given.
  ValueId scaled(ValueId x, ValueId q, float scale) {
    if (scale != 0) return emit("mul", {}, {x, node_.scalar(std::sqrt(scale), dtype_)});
    const ValueId length = emit("cast", {{0, "to", dtype_}}, {size(q, 3)});
    return emit("div", {}, {x, emit("sqrt", {}, {emit("sqrt", {}, {length})})});
  }

  void add(ValueId& bias, ValueId more) { bias = bias == kAbsent ? more : emit("add", {}, {bias, more}); }
  void allow(ValueId& bias, ValueId allowed) {
    add(bias, emit("where", {}, {allowed, node_.scalar(0, dtype_), hidden()}));
  }

  // 0, 1, ... n - 1, as a row or as a column.
  ValueId positions(ValueId n, bool column) {
    const ValueId all =
        emit("range", {}, {node_.constant(Tensor::scalar<int64_t>(0)), n, node_.constant(Tensor::scalar<int64_t>(1))});
    return emit("unsqueeze", {{0, "axes", std::vector<int64_t>{column ? 1 : 0}}}, {all});
  }

  ValueId bias(bool cached) {
    ValueId bias = kAbsent;
    if (node_.has(3)) add(bias, mask(node_.in(3)));
    const bool causal = node_.flag("is_causal", false);
    const int64_t left = node_.integer("left_window_size", -1), right = node_.integer("right_window_size", -1);
    if (left < -1 || right < -1) node_.fail("a window's size is -1 or more, got {} and {}", left, right);
    const bool padded = node_.has(6);
    if (padded && cached) node_.fail("nonpad_kv_seqlen and a cache cannot both be given");
    ValueId filled = kAbsent;  // of each batch, [B,1,1,1]
    if (padded) filled = emit("unsqueeze", {{0, "axes", std::vector<int64_t>{1, 2, 3}}}, {node_.in(6)});
    const ValueId key = positions(keys_, false);
    if (causal || left >= 0 || right >= 0) {
      ValueId query = positions(queries_, true);
      if (cached) query = emit("add", {}, {query, size(node_.in(4), 2)});
      if (padded) query = emit("add", {}, {query, emit("sub", {}, {filled, queries_})});
      const auto shifted = [&](int64_t by) {
        return by == 0 ? query : emit("add", {}, {query, node_.constant(Tensor::scalar(by))});
      };
      if (causal) allow(bias, emit("less_equal", {}, {key, query}));
      if (left >= 0) allow(bias, emit("greater_equal", {}, {key, shifted(-left)}));
      if (right >= 0) allow(bias, emit("less_equal", {}, {key, shifted(right)}));
    }
    if (padded) allow(bias, emit("less", {}, {key, filled}));
    return bias;
  }

  // A mask may be shorter than the keys; what it does not reach is hidden.
  ValueId mask(ValueId given) {
    const bool is_bool = node_.dtype(given) == DType::boolean;
    const int64_t rank = node_.rank(given);
    if (node_.failed() || rank < 1) return given;
    ValueId mask = given;
    if (is_bool) mask = emit("where", {}, {given, node_.scalar(0, dtype_), hidden()});
    const auto keys = node_.graph.value(keys_).info.elements();
    if (keys && equal((*keys)[0], (*node_.type(given).shape).back()) == Tri::yes) return mask;
    const ValueId missing = emit("sub", {}, {keys_, size(given, rank - 1)});
    const ValueId tail = emit("unsqueeze", {{0, "axes", std::vector<int64_t>{0}}}, {missing});
    const ValueId none = numbers(std::vector<int64_t>(static_cast<size_t>(2 * rank - 1), 0));
    return emit("pad", {}, {mask, emit("concat", {{0, "axis", int64_t{0}}}, {none, tail}), hidden()});
  }

  NodeImport& node_;
  const bool split_;
  const int64_t heads_, kv_heads_;
  const DType dtype_;
  ValueId queries_ = kAbsent, keys_ = kAbsent;  // how many there are
  ValueId all_heads_ = kAbsent;                 // of queries, where only running can tell
};

}  // namespace

void import_attention_in_parts(NodeImport& node, bool split, int64_t heads, int64_t kv_heads) {
  if (heads < 0 || kv_heads < 0 || (heads > 0 && kv_heads > 0 && heads % kv_heads != 0)) {
    return node.fail("{} heads of queries cannot share {} of keys", heads, kv_heads);
  }
  Parts(node, split, heads, kv_heads).run();
}

void import_flex_attention(NodeImport& node) {
  node.inputs_between(3, 3);
  for (size_t i = 0; i < 3; ++i) {
    const ValueId x = node.in(i);
    if (!node.failed() && node.rank(x) != 4) node.fail("its inputs must have 4 dims, got {}", to_string(node.type(x)));
  }
  if (node.failed()) return;
  const auto heads = [&](size_t i) { return (*node.type(node.in(i)).shape)[1].constant().value_or(0); };
  const int64_t queries = heads(0), keys = heads(1);
  if (queries > 0 && keys > 0 && queries % keys != 0) {
    return node.fail("{} heads of queries cannot share {} of keys", queries, keys);
  }
  Parts(node, true, queries, keys).run_flexible();
}

}  // namespace mj::onnx
