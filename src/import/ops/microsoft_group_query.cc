// SPDX-License-Identifier: Apache-2.0
// GroupQueryAttention of domain com.microsoft: heads of queries that share keys, turned by their positions, with a
// cache. In each batch seqlens_k + 1 keys count, the S new ones last: they go to place max(seqlens_k + 1 - S, 0) of
// the cache, and the query in row i stands at that place + i.
#include <limits>

#include "import/ops/heads.h"
#include "import/ops/irregular.h"

namespace mj::onnx {
namespace {

enum Input : size_t {
  kQuery,
  kKey,
  kValue,
  kPastKey,
  kPastValue,
  kLengths,
  kTotal,
  kCos,
  kSin,
  kPositions,
  kBias,
  kSinks,
  kKeyScale,
  kValueScale,
  kQueryNorm,
  kKeyNorm,
  kQueryLengths,
};

class GroupQuery {
 public:
  explicit GroupQuery(NodeImport& node) : node_(node) {}

  void run() {
    node_.inputs_between(7, 17);
    node_.outputs_at_most(3);
    refuse();
    HeadAttention a;
    a.heads = node_.integer("num_heads", 0);
    a.kv_heads = node_.integer("kv_num_heads", 0);
    a.scale = node_.number("scale", 0);
    a.softcap = node_.number("softcap", 0);
    causal_ = node_.flag("causal", true);
    window_ = node_.integer("local_window_size", -1);
    if (node_.failed()) return;
    if (a.heads < 1 || a.kv_heads < 1) {
      return node_.fail("num_heads and kv_num_heads must be given and positive, got {} and {}", a.heads, a.kv_heads);
    }
    if (window_ != -1 && (window_ < 1 || !causal_)) {
      return node_.fail("local_window_size must be -1, or positive where causal is 1; got {}", window_);
    }
    const bool cached = node_.has(kPastKey);
    if (cached != node_.has(kPastValue)) return node_.fail("past_key and past_value come together");
    read_operands(a);
    if (node_.failed()) return;
    dtype_ = node_.dtype(a.q);
    queries_ = size_along(node_, a.q, 1);
    const ValueId lengths = node_.emit(op("cast", {{0, "to", DType::i64}}), {node_.in(kLengths)});
    if (node_.rank(lengths) != 1)
      return node_.fail("seqlens_k must have 1 dim, got {}", to_string(node_.type(lengths)));
    const auto number = [&](int64_t value) { return node_.constant(Tensor::scalar(value)); };
    const ValueId counted = node_.emit(op("add"), {lengths, number(1)});
    places_ = node_.emit(op("max"), {node_.emit(op("sub"), {counted, queries_}), number(0)});
    total_ = node_.emit(op("reshape"), {node_.emit(op("cast", {{0, "to", DType::i64}}), {node_.in(kTotal)}),
                                        node_.integers_constant({})});
    a.q = prepared(a.q, kQueryNorm, "q_norm_epsilon");
    a.k = prepared(a.k, kKeyNorm, "k_norm_epsilon");
    if (!cached && !node_.wants(1) && !node_.wants(2)) {
      for (ValueId* x : {&a.q, &a.k, &a.v}) *x = without_heads(node_, *x);
    } else {
      a.split = true;
      for (ValueId* x : {&a.q, &a.k, &a.v}) *x = heads_swapped(node_, *x);
      if (cached) {
        a.k = appended(node_.in(kPastKey), a.k);
        a.v = appended(node_.in(kPastValue), a.v);
      }
      node_.output(1, a.k);
      node_.output(2, a.v);
    }
    const ValueId keys = size_along(node_, a.k, a.split ? 2 : 1);
    a.causal = causal_ && window_ == -1 && !cached;
    if (!a.causal) a.bias = hidden(keys, counted);
    if (node_.has(kBias)) {
      const ValueId bias = as_wide_as(node_.in(kBias), keys);
      a.bias = a.bias == kAbsent ? bias : node_.emit(op("add"), {a.bias, bias});
    }
    if (node_.has(kSinks)) a.sinks = node_.in(kSinks);
    if (node_.flag("smooth_softmax", false) && node_.integer("smooth_softmax", -1) > 0 && a.sinks == kAbsent) {
      a.sinks = node_.constant(Tensor::zeros(dtype_, {a.heads}));
    }
    node_.output(0, attended(node_, a));
  }

 private:
  void refuse() {
    for (const char* name : {"k_quant_type", "v_quant_type"}) {
      if (const std::string type = node_.string(name, "NONE"); type != "NONE") {
        return node_.unsupported("{} is {}; export the model with a cache of floats", name, type);
      }
    }
    if (node_.has(kKeyScale) || node_.has(kValueScale) || node_.integer("kv_cache_bit_width", 0) != 0) {
      return node_.unsupported("its cache is quantized; export the model with a cache of floats");
    }
    if (node_.flag("sliding_window_cache", false)) {
      return node_.unsupported("sliding_window_cache is 1; export the model with a cache of the whole sequence");
    }
    if (node_.has(kQueryLengths)) {
      return node_.unsupported("query_seqlens is given; export the model without padded chunks of queries");
    }
    node_.ignore("qk_output");  // of output 3
  }

  // q, k and v as [B,S,heads,D].
  void read_operands(HeadAttention& a) {
    const ValueId query = node_.in(kQuery);
    if (node_.rank(query) != 3) return node_.fail("its query must have 3 dims, got {}", to_string(node_.type(query)));
    if (node_.has(kKey) != node_.has(kValue)) return node_.fail("key and value come together");
    std::vector<ValueId> parts{query, node_.optional(kKey), node_.optional(kValue)};
    if (!node_.has(kKey)) {
      const std::optional<int64_t> width = node_.type(query).shape->back().constant();
      const int64_t all = a.heads + 2 * a.kv_heads;
      if (!width || *width % all != 0) {
        return node_.fail("a query {} does not hold q, k and v of {} heads", to_string(node_.type(query)), all);
      }
      const int64_t depth = *width / all;
      parts = split_into(node_, query, 2, {a.heads * depth, a.kv_heads * depth, a.kv_heads * depth});
    }
    a.q = with_heads(node_, parts[0], a.heads);
    a.k = with_heads(node_, parts[1], a.kv_heads);
    a.v = with_heads(node_, parts[2], a.kv_heads);
  }

  // Normed by head, then turned.
  ValueId prepared(ValueId x, Input norm, std::string_view epsilon) {
    if (node_.has(kQueryNorm) != node_.has(kKeyNorm)) node_.fail("q_norm_weight and k_norm_weight come together");
    const float given = node_.number(epsilon, node_.number("qk_norm_epsilon", 1e-6f));
    if (node_.has(norm)) x = node_.emit(op("rms_norm", {{0, "epsilon", given}}), {x, node_.in(norm)});
    const bool interleaved = node_.flag("rotary_interleaved", false);
    if (!node_.flag("do_rotary", false)) return x;
    return rotated(node_, x, node_.in(kCos), node_.in(kSin), positions(), interleaved);
  }

  // [B,S]. Of the positions that the model gives, those of a first prompt start with the very first.
  ValueId positions() {
    const ValueId rows = numbers_to(node_, queries_);
    const ValueId counted = node_.emit(op("add"), {unsqueezed(node_, places_, {1}), rows});
    if (!node_.has(kPositions)) return counted;
    const int64_t zero[] = {0}, one[] = {1}, flat[] = {-1};
    const ValueId all = node_.emit(op("reshape"), {node_.in(kPositions), node_.integers_constant(flat)});
    const ValueId first = node_.emit(op("slice"), {all, node_.integers_constant(zero), node_.integers_constant(one)});
    const ValueId prompt = node_.emit(op("equal"), {queries_, total_});
    return node_.emit(op("where"), {prompt, node_.emit(op("add"), {first, rows}), node_.in(kPositions)});
  }

  ValueId missing(ValueId wanted, ValueId there) {
    const ValueId zero = node_.constant(Tensor::scalar<int64_t>(0));
    return node_.emit(op("max"), {node_.emit(op("sub"), {wanted, there}), zero});
  }

  // The cache, made as long as all keys are, with the new ones at their places.
  ValueId appended(ValueId past, ValueId now) {
    if (node_.rank(past) != 4) {
      node_.fail("a cache must be [B,heads,P,D], got {}", to_string(node_.type(past)));
      return kAbsent;
    }
    const ValueId more = unsqueezed(node_, missing(total_, size_along(node_, past, 2)), {0});
    const ValueId before = node_.emit(op("shape", {{0, "end", int64_t{2}}}), {past});
    const ValueId depth = node_.emit(op("shape", {{0, "start", int64_t{3}}}), {past});
    const ValueId shape = node_.emit(op("concat", {{0, "axis", int64_t{0}}}), {before, more, depth});
    const ValueId room = node_.emit(op("expand"), {node_.scalar(0, dtype_), shape});
    const ValueId cache = node_.emit(op("concat", {{0, "axis", int64_t{2}}}), {past, room});
    return node_.emit(op("tensor_scatter"), {cache, now, places_});
  }

  // What is added to scores: -inf for keys that do not count or stand outside of the window.
  ValueId hidden(ValueId keys, ValueId counted) {
    const ValueId key = numbers_to(node_, keys);
    ValueId seen = kAbsent;
    if (causal_) {
      const ValueId rows = unsqueezed(node_, numbers_to(node_, queries_), {1});
      const ValueId query = node_.emit(op("add"), {unsqueezed(node_, places_, {1, 2, 3}), rows});
      seen = node_.emit(op("less_equal"), {key, query});
      if (window_ > 0) {
        const ValueId before = node_.emit(op("sub"), {query, node_.constant(Tensor::scalar(window_))});
        seen = node_.emit(op("and"), {seen, node_.emit(op("greater"), {key, before})});
      }
    } else {
      seen = node_.emit(op("less"), {key, unsqueezed(node_, counted, {1, 2, 3})});
    }
    const ValueId never = node_.scalar(-std::numeric_limits<double>::infinity(), dtype_);
    return node_.emit(op("where"), {seen, node_.scalar(0, dtype_), never});
  }

  // A cache may have more room than there are keys.
  ValueId as_wide_as(ValueId bias, ValueId keys) {
    if (node_.rank(bias) != 4) {
      node_.fail("attention_bias must have 4 dims, got {}", to_string(node_.type(bias)));
      return kAbsent;
    }
    if (!node_.has(kPastKey)) return bias;
    const ValueId tail = unsqueezed(node_, missing(keys, size_along(node_, bias, 3)), {0});
    const std::vector<int64_t> none(7, 0);
    const ValueId pads = node_.emit(op("concat", {{0, "axis", int64_t{0}}}), {node_.integers_constant(none), tail});
    return node_.emit(op("pad"), {bias, pads, node_.scalar(0, dtype_)});
  }

  NodeImport& node_;
  bool causal_ = true;
  int64_t window_ = -1;
  DType dtype_ = DType::none;
  ValueId queries_ = kAbsent, places_ = kAbsent, total_ = kAbsent;
};

}  // namespace

void import_group_query_attention(NodeImport& node) { GroupQuery(node).run(); }

}  // namespace mj::onnx
