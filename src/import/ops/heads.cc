// SPDX-License-Identifier: Apache-2.0
#include "import/ops/heads.h"

#include <cmath>
#include <limits>

namespace mj::onnx {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

ValueId product(NodeImport& node, ValueId a, ValueId b) { return node.emit(op("matmul"), {a, b}); }

// Keys or values of [B,kv_heads,T,D], each for all heads that share it.
ValueId repeated_heads(NodeImport& node, ValueId x, int64_t heads, int64_t kv_heads) {
  if (heads == kv_heads) return x;
  const int64_t repeats[] = {1, 1, heads / kv_heads, 1, 1};
  const ValueId all = node.emit(op("tile"), {unsqueezed(node, x, {2}), node.integers_constant(repeats)});
  const int64_t head_count[] = {heads}, as_it_is[] = {0};
  const ValueId rest = node.emit(op("shape", {{0, "start", int64_t{2}}}), {x});
  const ValueId shape = node.emit(op("concat", {{0, "axis", int64_t{0}}}),
                                  {node.integers_constant(as_it_is), node.integers_constant(head_count), rest});
  return node.emit(op("reshape"), {all, shape});
}

ValueId scaled(NodeImport& node, ValueId q, float scale) {
  const DType dtype = node.dtype(q);
  if (scale != 0) return node.emit(op("mul"), {q, node.scalar(scale, dtype)});
  const ValueId depth = node.emit(op("cast", {{0, "to", dtype}}), {size_along(node, q, 3)});
  return node.emit(op("div"), {q, node.emit(op("sqrt"), {depth})});
}

// [S,T]: what a query must not see.
ValueId causal_bias(NodeImport& node, ValueId q, ValueId k) {
  const ValueId queries = size_along(node, q, 2), keys = size_along(node, k, 2);
  const ValueId before = node.emit(op("sub"), {keys, queries});
  const ValueId last = node.emit(op("add"), {unsqueezed(node, numbers_to(node, queries), {1}), before});
  const ValueId seen = node.emit(op("less_equal"), {numbers_to(node, keys), last});
  const DType dtype = node.dtype(q);
  return node.emit(op("where"), {seen, node.scalar(0, dtype), node.scalar(-kInfinity, dtype)});
}

ValueId attended_in_parts(NodeImport& node, const HeadAttention& a) {
  const auto by_head = [&](ValueId x, int64_t heads) {
    return a.split ? x : heads_swapped(node, with_heads(node, x, heads));
  };
  const ValueId q = by_head(a.q, a.heads), k = by_head(a.k, a.kv_heads);
  const ValueId v = repeated_heads(node, by_head(a.v, a.kv_heads), a.heads, a.kv_heads);
  const std::vector<int64_t> turned{0, 1, 3, 2}, last{-1};
  const ValueId keys = repeated_heads(node, k, a.heads, a.kv_heads);
  ValueId scores = product(node, scaled(node, q, a.scale), node.emit(op("transpose", {{0, "perm", turned}}), {keys}));
  const DType dtype = node.dtype(q);
  if (a.softcap != 0) {
    const ValueId cap = node.scalar(a.softcap, dtype);
    scores = node.emit(op("mul"), {node.emit(op("tanh"), {node.emit(op("div"), {scores, cap})}), cap});
  }
  if (a.bias != kAbsent) scores = node.emit(op("add"), {scores, a.bias});
  if (a.causal) scores = node.emit(op("add"), {scores, causal_bias(node, q, k)});
  if (a.scores) *a.scores = scores;
  const Op softmax = op("softmax", {{0, "axis", int64_t{-1}}});
  ValueId weights = kAbsent;
  if (a.sinks == kAbsent) {
    weights = node.emit(softmax, {scores});
  } else {
    const int64_t one[] = {1}, first[] = {0}, before_last[] = {-1}, axis[] = {-1};
    const ValueId rows = node.emit(op("shape", {{0, "end", int64_t{3}}}), {scores});
    const ValueId shape = node.emit(op("concat", {{0, "axis", int64_t{0}}}), {rows, node.integers_constant(one)});
    const ValueId column = node.emit(op("expand"), {unsqueezed(node, a.sinks, {1, 2}), shape});
    const ValueId all = node.emit(op("concat", {{0, "axis", int64_t{-1}}}), {scores, column});
    weights = node.emit(op("slice"), {node.emit(softmax, {all}), node.integers_constant(first),
                                      node.integers_constant(before_last), node.integers_constant(axis)});
  }
  return without_heads(node, heads_swapped(node, product(node, weights, v)));
}

}  // namespace

ValueId size_along(NodeImport& node, ValueId x, int64_t axis) {
  return node.emit(op("gather", {{0, "axis", int64_t{0}}}),
                   {node.emit(op("shape"), {x}), node.constant(Tensor::scalar<int64_t>(axis))});
}

ValueId numbers_to(NodeImport& node, ValueId count) {
  return node.emit(op("range"),
                   {node.constant(Tensor::scalar<int64_t>(0)), count, node.constant(Tensor::scalar<int64_t>(1))});
}

ValueId unsqueezed(NodeImport& node, ValueId x, std::vector<int64_t> axes) {
  return node.emit(op("unsqueeze", {{0, "axes", std::move(axes)}}), {x});
}

std::vector<ValueId> split_into(NodeImport& node, ValueId x, int64_t axis, std::vector<int64_t> sizes) {
  const int count = static_cast<int>(sizes.size());
  return node.emit(op("split", {{0, "axis", axis}, {0, "sizes", std::move(sizes)}}), {x}, count);
}

ValueId with_heads(NodeImport& node, ValueId x, int64_t heads) {
  const int64_t shape[] = {0, 0, heads, -1};
  return node.emit(op("reshape"), {x, node.integers_constant(shape)});
}

ValueId without_heads(NodeImport& node, ValueId x) {
  const int64_t shape[] = {0, 0, -1};
  return node.emit(op("reshape"), {x, node.integers_constant(shape)});
}

ValueId heads_swapped(NodeImport& node, ValueId x) {
  return node.emit(op("transpose", {{0, "perm", std::vector<int64_t>{0, 2, 1, 3}}}), {x});
}

ValueId rotated(NodeImport& node, ValueId x, ValueId cos, ValueId sin, ValueId positions, bool interleaved) {
  if (node.failed()) return kAbsent;
  if (node.rank(cos) != 2 || node.rank(sin) != 2) {
    node.fail("cos_cache and sin_cache must have 2 dims, got {} and {}", to_string(node.type(cos)),
              to_string(node.type(sin)));
    return kAbsent;
  }
  const auto factors = [&](ValueId table) {
    return unsqueezed(node, node.emit(op("gather", {{0, "axis", int64_t{0}}}), {table, positions}), {-2});
  };
  const Op turn = op("rotary", {{0, "interleaved", interleaved}});
  const ValueId cosines = factors(cos), sines = factors(sin);
  if (node.failed()) return kAbsent;
  const Dim depth = node.type(x).shape->back(), turned = (*node.type(cos).shape)[1] * 2;
  if (equal(depth, turned) == Tri::yes) return node.emit(turn, {x, cosines, sines});
  const std::optional<int64_t> width = turned.constant(), whole = depth.constant();
  if (!width) {
    node.unsupported("the width {} of cos_cache must be known", (*node.type(cos).shape)[1]);
    return kAbsent;
  }
  if (whole && *width > *whole) {
    node.fail("cos_cache turns {} elements, but heads have {}", *width, *whole);
    return kAbsent;
  }
  const auto part = [&](int64_t from, int64_t to) {
    const int64_t begin[] = {from}, end[] = {to}, axis[] = {3};
    return node.emit(op("slice"),
                     {x, node.integers_constant(begin), node.integers_constant(end), node.integers_constant(axis)});
  };
  const ValueId rest = part(*width, INT64_MAX);
  return node.emit(op("concat", {{0, "axis", int64_t{3}}}), {node.emit(turn, {part(0, *width), cosines, sines}), rest});
}

ValueId attended(NodeImport& node, const HeadAttention& a) {
  if (node.failed()) return kAbsent;
  if (a.heads < 1 || a.kv_heads < 1 || a.heads % a.kv_heads != 0) {
    node.fail("{} heads of queries cannot share {} of keys", a.heads, a.kv_heads);
    return kAbsent;
  }
  if (a.softcap != 0 || a.sinks != kAbsent || a.scores != nullptr) return attended_in_parts(node, a);
  std::vector<ValueId> inputs{a.q, a.k, a.v};
  if (a.bias != kAbsent) inputs.push_back(a.bias);
  const ValueId y = node.emit(op("attention", {{0, "heads", a.heads},
                                               {0, "kv_heads", a.kv_heads},
                                               {0, "scale", a.scale},
                                               {0, "causal", a.causal},
                                               {0, "layout", std::string(a.split ? "bhsd" : "bshd")}}),
                              inputs);
  return a.split ? without_heads(node, heads_swapped(node, y)) : y;
}

ValueId padding_bias(NodeImport& node, ValueId mask, const Dim& batch, ValueId count, float filter, DType dtype) {
  const int64_t rank = node.rank(mask);
  if (node.failed()) return kAbsent;
  ValueId seen = kAbsent;
  if (rank == 2 || rank == 3) {
    seen = node.emit(op("greater"), {mask, node.scalar(0, node.dtype(mask))});
    seen = rank == 2 ? unsqueezed(node, seen, {1, 2}) : unsqueezed(node, seen, {1});
  } else if (rank == 1) {
    const Dim& length = node.type(mask).shape->front();
    const ValueId wide = node.emit(op("cast", {{0, "to", DType::i64}}), {mask}), key = numbers_to(node, count);
    const auto column = [&](ValueId ends) { return unsqueezed(node, ends, {1, 2, 3}); };
    if (equal(length, batch) == Tri::yes) {
      seen = node.emit(op("less"), {key, column(wide)});
    } else if (equal(length, batch * 2) == Tri::yes) {
      const std::vector<ValueId> halves =
          node.emit(op("split", {{0, "axis", int64_t{0}}, {0, "num_outputs", int64_t{2}}}), {wide}, 2);
      seen = node.emit(op("and"), {node.emit(op("less"), {key, column(halves[0])}),
                                   node.emit(op("greater_equal"), {key, column(halves[1])})});
    } else {
      node.unsupported(
          "a mask of {} for a batch of {} is not known to be lengths [B] or ends and starts [2B]; give it "
          "as [B,T], or name its dimension as the batch's",
          to_string(node.type(mask)), batch);
      return kAbsent;
    }
  } else {
    node.unsupported("a mask of {} dims is not supported; give it as [B,T], [B,S,T] or as attention_bias", rank);
    return kAbsent;
  }
  return node.emit(op("where"), {seen, node.scalar(0, dtype), node.scalar(filter, dtype)});
}

}  // namespace mj::onnx
