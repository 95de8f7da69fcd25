// SPDX-License-Identifier: Apache-2.0
// attention(q, k, v, mask?) = softmax(q k' * scale + mask) v for each head.
//   layout "bshd"  q [B,Sq,H*D], k and v [B,Sk,KV*D], result [B,Sq,H*D]
//   layout "qkv"   one input [B,S,(H+2*KV)*D]: q, k and v side by side; then mask?
//   layout "bhsd"  q [B,H,Sq,D], k and v [B,KV,Sk,D], result [B,H,Sq,D]
// v may have another head size than q and k, except in "qkv". Head h of q uses head h / (H / KV) of k and v. mask is
// added, and broadcasts to [B,H,Sq,Sk]; causal hides key j from query i where j > i + Sk - Sq.
#pragma once

#include "ops/op.h"

namespace mj {

struct Attention {
  int64_t heads = 1;
  int64_t kv_heads = 0;  // 0: as many as heads
  float scale = 0.0f;    // 0: 1 / sqrt(D)
  bool causal = false;
  std::string layout = "bshd";
  bool zero_masked_rows = false;  // a query that sees nothing gives 0 instead of NaN

  static constexpr std::string_view kName = "attention";
  static constexpr auto kFields =
      std::tuple{field(1, "heads", &Attention::heads),   field(2, "kv_heads", &Attention::kv_heads),
                 field(3, "scale", &Attention::scale),   field(4, "causal", &Attention::causal),
                 field(5, "layout", &Attention::layout), field(6, "zero_masked_rows", &Attention::zero_masked_rows)};

  int64_t key_heads() const { return kv_heads > 0 ? kv_heads : heads; }
  // Where the mask stands among the inputs.
  size_t mask_input() const { return layout == "qkv" ? 1 : 3; }
  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

}  // namespace mj
