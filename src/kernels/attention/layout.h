// SPDX-License-Identifier: Apache-2.0
// Where the heads of an attention problem stand in its tensors.
#pragma once

#include <span>

#include "base/result.h"
#include "kernels/kernel.h"
#include "ops/attention.h"

namespace mj {

// Element (s, d) of head h of image b is at first + b * batch + h * head + s * row + d.
struct HeadLayout {
  int64_t first = 0, batch = 0, head = 0, row = 0;
  int64_t at(int64_t b, int64_t h) const { return first + b * batch + h * head; }
};

struct AttentionLayout {
  int64_t batch = 0, heads = 0, key_heads = 0, queries = 0, keys = 0, depth = 0, v_depth = 0;
  HeadLayout q, k, v, y;
  int64_t mask_strides[4] = {};  // of [B,H,Sq,Sk]; 0 where the mask is broadcast
};

// An error names the input whose dims do not fit the others'.
Result<AttentionLayout> attention_layout(const Attention& op, std::span<const TensorRef> inputs);

}  // namespace mj
