// SPDX-License-Identifier: Apache-2.0
// Attention, QAttention and MultiHeadAttention of domain com.microsoft: projections, masks that are added, and a cache
// of keys and values.
#include "import/ops/heads.h"
#include "import/ops/irregular.h"
#include "import/ops/quantized.h"

namespace mj::onnx {
namespace {

constexpr float kMasked = -10000.0f;  // what a masked score gets unless the node says otherwise

ValueId concat_along(NodeImport& node, std::vector<ValueId> parts, int64_t axis) {
  return node.emit(op("concat", {{0, "axis", axis}}), std::move(parts));
}

ValueId plus(NodeImport& node, ValueId a, ValueId b) {
  if (a == kAbsent || b == kAbsent) return a == kAbsent ? b : a;
  return node.emit(op("add"), {a, b});
}

// What is added to scores: by the mask, which may be missing, and by a tensor of the model's.
ValueId score_bias(NodeImport& node, size_t mask, size_t bias, const Dim& batch, ValueId keys, int64_t key_axis,
                   DType dtype) {
  const float filter = node.number("mask_filter_value", kMasked);
  ValueId sum = kAbsent;
  if (node.has(mask)) {
    sum = padding_bias(node, node.in(mask), batch, size_along(node, keys, key_axis), filter, dtype);
  }
  return plus(node, sum, node.optional(bias));
}

int64_t head_count(NodeImport& node) {
  const int64_t heads = node.integer("num_heads", 0);
  if (heads < 1) node.fail("num_heads must be given and positive, got {}", heads);
  return heads;
}

// From x W + b, [B,S,widths of q, k and v], on. Inputs `mask`, `past` and `bias` may be missing.
void finish_projected(NodeImport& node, ValueId projected, size_t mask, size_t past, size_t bias) {
  node.outputs_at_most(2);
  if (node.flag("do_rotary", false)) {
    return node.unsupported("do_rotary is 1; export the model with MultiHeadAttention and RotaryEmbedding");
  }
  if (node.flag("past_present_share_buffer", false)) {
    return node.unsupported("past_present_share_buffer is 1; export the model with a cache that grows");
  }
  node.ignore("rotary_embedding_dim");
  HeadAttention a;
  a.heads = a.kv_heads = head_count(node);
  a.scale = node.number("scale", 0);
  a.causal = node.flag("unidirectional", false);
  const DType dtype = node.dtype(projected);
  if (node.failed()) return;
  if (node.rank(projected) != 3) {
    return node.fail("its input must have 3 dims, got {}", to_string(node.type(node.in(0))));
  }
  const Dim batch = node.type(projected).shape->front();
  const std::optional<int64_t> width = node.type(projected).shape->back().constant();
  if (!width) return node.unsupported("the width of its weights must be known");
  std::vector<int64_t> sizes = node.integers("qkv_hidden_sizes").value_or(std::vector<int64_t>(3, *width / 3));
  const bool given = node.has_attribute("qkv_hidden_sizes");
  int64_t sum = 0;
  bool fits = sizes.size() == 3 && (given || *width % 3 == 0) && sizes[0] == sizes[1];
  for (int64_t size : sizes) {
    fits = fits && size > 0 && size <= *width && size % a.heads == 0;
    if (fits) sum += size;
  }
  if (!fits || sum != *width) {
    return node.fail("{} columns do not hold q, k and v of {} heads; qkv_hidden_sizes says how wide they are", *width,
                     a.heads);
  }
  const bool cached = node.has(past);
  if (!cached && !node.wants(1) && sizes[2] == sizes[0]) {
    std::vector<ValueId> inputs{projected};
    const ValueId added = score_bias(node, mask, bias, batch, projected, 1, dtype);
    if (added != kAbsent) inputs.push_back(added);
    return node.output(0, node.emit(op("attention", {{0, "heads", a.heads},
                                                     {0, "scale", a.scale},
                                                     {0, "causal", a.causal},
                                                     {0, "layout", std::string("qkv")}}),
                                    inputs));
  }
  if (cached && sizes[2] != sizes[0]) return node.fail("with a cache q, k and v must have one width");
  const std::vector<ValueId> parts = split_into(node, projected, 2, sizes);
  a.split = true;
  const auto by_head = [&](ValueId x) { return heads_swapped(node, with_heads(node, x, a.heads)); };
  a.q = by_head(parts[0]);
  a.k = by_head(parts[1]);
  a.v = by_head(parts[2]);
  if (cached) {
    if (node.rank(node.in(past)) != 5) {
      return node.fail("past must be [2,B,heads,P,D], got {}", to_string(node.type(node.in(past))));
    }
    const std::vector<ValueId> both = split_into(node, node.in(past), 0, {1, 1});
    const Op first = op("squeeze", {{0, "axes", std::vector<int64_t>{0}}});
    a.k = concat_along(node, {node.emit(first, {both[0]}), a.k}, 2);
    a.v = concat_along(node, {node.emit(first, {both[1]}), a.v}, 2);
  }
  if (node.wants(1)) node.output(1, concat_along(node, {unsqueezed(node, a.k, {0}), unsqueezed(node, a.v, {0})}, 0));
  a.bias = score_bias(node, mask, bias, batch, a.k, 2, dtype);
  node.output(0, attended(node, a));
}

// [B,L,heads,count,D]: `count` tensors [B,L,heads*D] that were packed.
std::vector<ValueId> unpacked(NodeImport& node, ValueId x, int64_t count) {
  const Op third = op("squeeze", {{0, "axes", std::vector<int64_t>{3}}});
  std::vector<ValueId> parts = split_into(node, x, 3, std::vector<int64_t>(static_cast<size_t>(count), 1));
  for (ValueId& part : parts) part = without_heads(node, node.emit(third, {part}));
  return parts;
}

// q, k and v of MultiHeadAttention as [B,S,heads*D], with their biases. Keys and values that were projected before are
// [B,heads,L,D]: then `split` is set, and q is that too.
void read_operands(NodeImport& node, HeadAttention& a) {
  constexpr const char* kWanted =
      "q must be [B,S,heads*D] with k and v like it or [B,heads,L,D], or have k and v packed";
  a.q = node.in(0);
  const int64_t rank = node.rank(a.q), k_rank = node.has(1) ? node.rank(node.in(1)) : 0;
  if (node.failed()) return;
  if (rank == 5 && k_rank == 0) {
    const std::vector<ValueId> parts = unpacked(node, a.q, 3);
    a.q = parts[0];
    a.k = parts[1];
    a.v = parts[2];
  } else if (rank == 3 && k_rank == 5 && !node.has(2)) {
    const std::vector<ValueId> parts = unpacked(node, node.in(1), 2);
    a.k = parts[0];
    a.v = parts[1];
  } else if (rank == 3 && (k_rank == 3 || k_rank == 4) && node.has(2) && node.rank(node.in(2)) == k_rank) {
    a.k = node.in(1);
    a.v = node.in(2);
    a.split = k_rank == 4;
  } else {
    return node.fail("{}", kWanted);
  }
  if (node.has(3)) {
    if (a.split) return node.unsupported("a bias for keys that are [B,heads,L,D]; add it before");
    std::vector<int64_t> widths;
    for (ValueId x : {a.q, a.k, a.v}) {
      const std::optional<int64_t> width = node.failed() ? 0 : node.type(x).shape->back().constant();
      if (!width) return node.unsupported("the widths of q, k and v must be known");
      widths.push_back(*width);
    }
    const std::vector<ValueId> biases = split_into(node, node.in(3), 0, widths);
    a.q = plus(node, a.q, biases[0]);
    a.k = plus(node, a.k, biases[1]);
    a.v = plus(node, a.v, biases[2]);
  }
  if (a.split) a.q = heads_swapped(node, with_heads(node, a.q, a.heads));
}

}  // namespace

// Inputs x [B,S,E], weights [E,q+k+v], bias, mask, past [2,B,heads,P,D], attention_bias.
void import_microsoft_attention(NodeImport& node) {
  node.inputs_between(2, 7);
  if (node.has(6)) return node.unsupported("past_sequence_length is given; export the model with a cache that grows");
  const ValueId product = node.emit(op("matmul"), {node.in(0), node.in(1)});
  finish_projected(node, plus(node, product, node.optional(2)), 3, 4, 5);
}

// Inputs x, weights, bias, scales of both, mask, zero points of both, past.
void import_qattention(NodeImport& node) {
  node.inputs_between(5, 9);
  const ValueId x = dequantized(node, node.in(0), one_number(node, 3), one_number(node, 6), 2);
  const ValueId weights = dequantized(node, node.in(1), node.in(4), node.optional(7), 1);
  const ValueId product = node.emit(op("matmul"), {x, weights});
  finish_projected(node, plus(node, product, node.in(2)), 5, 8, 9);
}

// Inputs q, k, v, their biases in a row, key_padding_mask, attention_bias, past_key, past_value.
void import_multi_head_attention(NodeImport& node) {
  node.inputs_between(1, 10);
  node.outputs_at_most(4);
  if (node.has(8)) return node.unsupported("past_sequence_length is given; export the model with a cache that grows");
  if (node.has(9)) return node.unsupported("cache_indirection is given; export the model without beam search inside");
  HeadAttention a;
  a.heads = a.kv_heads = head_count(node);
  a.scale = node.number("scale", 0);
  a.causal = node.flag("unidirectional", false);
  if (node.failed()) return;
  read_operands(node, a);
  if (node.has(6) != node.has(7)) return node.fail("past_key and past_value come together");
  if (node.has(6) && a.split) return node.fail("keys that are [B,heads,L,D] leave no place for past_key");
  if (node.failed()) return;
  const size_t rows = a.split ? 2 : 1;
  const Shape q_shape = *node.type(a.q).shape, k_shape = *node.type(a.k).shape;
  if (a.causal && equal(q_shape[rows], k_shape[rows]) == Tri::no) {
    return node.unsupported("unidirectional is 1 for {} queries and {} new keys; it needs as many", q_shape[rows],
                            k_shape[rows]);
  }
  if (!a.split && (node.has(6) || node.wants(1) || node.wants(2))) {
    for (ValueId* x : {&a.q, &a.k, &a.v}) *x = heads_swapped(node, with_heads(node, *x, a.heads));
    a.split = true;
  }
  if (node.has(6)) {
    a.k = concat_along(node, {node.in(6), a.k}, 2);
    a.v = concat_along(node, {node.in(7), a.v}, 2);
  }
  node.output(1, a.k);
  node.output(2, a.v);
  a.bias = score_bias(node, 4, 5, q_shape[0], a.k, a.split ? 2 : 1, node.dtype(a.q));
  ValueId scores = kAbsent;
  if (node.wants(3)) a.scores = &scores;
  node.output(0, attended(node, a));
  node.output(3, scores);
}

}  // namespace mj::onnx
