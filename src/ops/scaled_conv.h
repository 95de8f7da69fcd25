// SPDX-License-Identifier: Apache-2.0
// scaled_conv(x, s, w, b?) = conv(x * s, w, b): each channel of each sample scaled, then a pixelwise convolution, as at
// the end of a squeeze-and-excite block. A fused step: the scaled image need not be written.
// x is [N,H,W,C], s [N or 1,1,1,C], w [K,C,1,1], b [K], y [N,H,W,K].
#pragma once

#include "ops/conv.h"

namespace mj {

struct ScaledConv {
  static constexpr std::string_view kName = "scaled_conv";
  static constexpr auto kFields = std::tuple<>{};

  Conv conv() const;  // the second part
  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

}  // namespace mj
