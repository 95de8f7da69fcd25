// SPDX-License-Identifier: Apache-2.0
// RotaryEmbedding: pairs (a, b) of a head's first elements become (a cos - b sin, a sin + b cos); a pair is element i
// of both halves, or with `interleaved` neighbours.
#include "import/ops/irregular.h"

namespace mj::onnx {

void import_rotary_embedding(NodeImport& node) {
  node.inputs_between(3, 4);
  const ValueId x = node.in(0);
  const int64_t rank = node.rank(x), heads = node.integer("num_heads", 0);
  const int64_t rotated = node.integer("rotary_embedding_dim", 0);
  const bool interleaved = node.flag("interleaved", false);
  if (node.failed()) return;
  if (rank != 4 && (rank != 3 || heads < 1)) {
    return node.fail("its input must have 4 dims, or 3 and num_heads be given; it is {}", to_string(node.type(x)));
  }
  if (rotated < 0 || rotated % 2 != 0) return node.fail("rotary_embedding_dim must be even, got {}", rotated);
  const auto numbers = [&](std::vector<int64_t> values) { return node.integers_constant(values); };
  const auto transposed = [&](ValueId value) {
    return node.emit(op("transpose", {{0, "perm", std::vector<int64_t>{0, 2, 1, 3}}}), {value});
  };
  const auto slice = [&](ValueId value, int64_t from, int64_t to, int64_t step) {
    return node.emit(op("slice"), {value, numbers({from}), numbers({to}), numbers({-1}), numbers({step})});
  };
  // [B,S,heads,D]
  const ValueId wide = rank == 4 ? transposed(x) : node.emit(op("reshape"), {x, numbers({0, 0, heads, -1})});
  const bool all = rotated == 0;
  const ValueId part = all ? wide : slice(wide, 0, rotated, 1);
  ValueId a, b;
  if (interleaved) {
    a = slice(part, 0, INT64_MAX, 2);
    b = slice(part, 1, INT64_MAX, 2);
  } else {
    const std::vector<ValueId> halves =
        node.emit(op("split", {{0, "axis", int64_t{-1}}, {0, "num_outputs", int64_t{2}}}), {part}, 2);
    a = halves[0];
    b = halves[1];
  }
  const auto table = [&](size_t i) {  // [B,S,1,D/2]
    ValueId values = node.in(i);
    if (node.has(3)) values = node.emit(op("gather", {{0, "axis", int64_t{0}}}), {values, node.in(3)});
    return node.emit(op("unsqueeze", {{0, "axes", std::vector<int64_t>{2}}}), {values});
  };
  const ValueId cos = table(1), sin = table(2);
  const auto product = [&](ValueId left, ValueId right) { return node.emit(op("mul"), {left, right}); };
  ValueId first = node.emit(op("sub"), {product(cos, a), product(sin, b)});
  ValueId second = node.emit(op("add"), {product(sin, a), product(cos, b)});
  ValueId turned;
  if (interleaved) {
    const Op column = op("unsqueeze", {{0, "axes", std::vector<int64_t>{4}}});
    const ValueId pairs =
        node.emit(op("concat", {{0, "axis", int64_t{-1}}}), {node.emit(column, {first}), node.emit(column, {second})});
    turned = node.emit(op("reshape"), {pairs, numbers({0, 0, 0, -1})});
  } else {
    turned = node.emit(op("concat", {{0, "axis", int64_t{-1}}}), {first, second});
  }
  if (!all) {
    const ValueId rest = slice(wide, rotated, INT64_MAX, 1);
    turned = node.emit(op("concat", {{0, "axis", int64_t{-1}}}), {turned, rest});
  }
  if (rank == 4) return node.finish(op("transpose", {{0, "perm", std::vector<int64_t>{0, 2, 1, 3}}}), {turned});
  node.finish(op("reshape"), {turned, numbers({0, 0, -1})});
}

}  // namespace mj::onnx
