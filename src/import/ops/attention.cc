// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <limits>

#include "import/ops/attention_in_parts.h"

namespace mj::onnx {

// Its mask may be bool (true: seen) or added.
void import_attention(NodeImport& node) {
  node.inputs_between(3, 7);
  node.ignore("softmax_precision");  // f32 or wider here
  const ValueId q = node.in(0), k = node.in(1);
  const int64_t rank = node.rank(q);
  if (node.failed() || node.rank(k) != rank || (rank != 3 && rank != 4)) {
    return node.fail("its inputs must all have 3 or all 4 dims");
  }
  const bool split = rank == 4;
  int64_t heads = node.integer("q_num_heads", 0), kv_heads = node.integer("kv_num_heads", 0);
  const Shape &q_shape = *node.type(q).shape, &k_shape = *node.type(k).shape;
  if (split) {
    heads = q_shape[1].constant().value_or(0);
    kv_heads = k_shape[1].constant().value_or(0);
  } else if (heads < 1 || kv_heads < 1) {
    return node.fail("q_num_heads and kv_num_heads must be given and positive, got {} and {}", heads, kv_heads);
  }
  const bool causal = node.flag("is_causal", false);
  const size_t rows = split ? 2 : 1;
  // With fewer queries than keys ONNX lines them up at the first key, we at the last.
  const bool lined_up = !causal || equal(q_shape[rows], k_shape[rows]) == Tri::yes;
  bool plain = heads > 0 && kv_heads > 0 && lined_up && node.input_count() <= 4 && node.number("softcap", 0) == 0 &&
               node.integer("left_window_size", -1) == -1 && node.integer("right_window_size", -1) == -1;
  for (size_t i = 1; i < 4; ++i) plain = plain && !node.wants(i);
  if (node.has(3)) {  // it may be shorter than the keys
    const Type& mask = node.type(node.in(3));
    plain = plain && mask.rank() > 0 && equal(mask.shape->back(), k_shape[rows]) == Tri::yes;
  }
  if (!plain) return import_attention_in_parts(node, split, heads, kv_heads);
  node.ignore("qk_matmul_output_mode");
  std::vector<ValueId> inputs{q, k, node.in(2)};
  if (node.has(3)) {
    ValueId mask = node.in(3);
    if (node.dtype(mask) == DType::boolean) {
      const DType dtype = node.dtype(q);
      mask = node.emit(op("where"),
                       {mask, node.scalar(0, dtype), node.scalar(-std::numeric_limits<double>::infinity(), dtype)});
    }
    inputs.push_back(mask);
  }
  node.finish(op("attention", {{0, "heads", heads},
                               {0, "kv_heads", kv_heads},
                               {0, "scale", node.number("scale", 0)},
                               {0, "causal", causal},
                               {0, "layout", std::string(split ? "bhsd" : "bshd")},
                               {0, "zero_masked_rows", true}}),
              inputs);
}

}  // namespace mj::onnx
