// SPDX-License-Identifier: Apache-2.0
// Attentions as several operators of domain com.microsoft spell them, built of ours.
#pragma once

#include <vector>

#include "import/node.h"

namespace mj::onnx {

// How many elements x has along an axis, an i64 of no dims.
ValueId size_along(NodeImport& node, ValueId x, int64_t axis);
// 0, 1, ... count - 1
ValueId numbers_to(NodeImport& node, ValueId count);
ValueId unsqueezed(NodeImport& node, ValueId x, std::vector<int64_t> axes);
// Parts of these lengths along an axis.
std::vector<ValueId> split_into(NodeImport& node, ValueId x, int64_t axis, std::vector<int64_t> sizes);

// [B,S,heads*D] as [B,S,heads,D] and back
ValueId with_heads(NodeImport& node, ValueId x, int64_t heads);
ValueId without_heads(NodeImport& node, ValueId x);
// [B,S,heads,D] as [B,heads,S,D], or that back
ValueId heads_swapped(NodeImport& node, ValueId x);

// Elements 2 * width(cos) of each head of x, [B,S,heads,D], turned by the rows of cos and sin, [most,width], that stand
// at `positions`: [S], or [B,S].
ValueId rotated(NodeImport& node, ValueId x, ValueId cos, ValueId sin, ValueId positions, bool interleaved);

// softmax(cap(q k' * scale) + bias) v
struct HeadAttention {
  ValueId q = kAbsent, k = kAbsent, v = kAbsent;  // [B,S,heads*D], or split: [B,heads,S,D]
  bool split = false;
  int64_t heads = 0, kv_heads = 0;
  float scale = 0;            // 0: 1 / sqrt(D)
  float softcap = 0;          // 0: none; else cap(s) = softcap * tanh(s / softcap)
  bool causal = false;        // a key after its query is hidden; the last ones stand at one place
  ValueId bias = kAbsent;     // broadcasts to [B,heads,S,T]
  ValueId sinks = kAbsent;    // [heads]: for each head one more score, whose weight is dropped
  ValueId* scores = nullptr;  // where to put what the softmax gets
};
// [B,S,heads*D]
ValueId attended(NodeImport& node, const HeadAttention& attention);

// 0 where a key is seen and `filter` where it is not, broadcasting to [B,heads,S,T]. The mask is [B,T] or [B,S,T],
// above 0 where seen, [B], how many are seen, or [2B], the ends of what is seen and then the starts. `batch` is q's B,
// `count` T. Kinds of masks that only GPUs know are unsupported.
ValueId padding_bias(NodeImport& node, ValueId mask, const Dim& batch, ValueId count, float filter, DType dtype);

}  // namespace mj::onnx
