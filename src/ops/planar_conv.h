// SPDX-License-Identifier: Apache-2.0
// planar_conv(x, w, b?) = conv{channels_last}(transpose(x rounded to w's type), w, b): a convolution that reads its
// image as it comes from outside, colour by colour and in more bits than it multiplies, and writes pixels. A fused
// step. x is [N,C,H,W], w [O,C,h,w], b [O], y [N,H',W',O] of w's type.
#pragma once

#include "ops/conv.h"

namespace mj {

struct PlanarConv {
  std::vector<int64_t> strides, pads;  // two; two begins and two ends

  static constexpr std::string_view kName = "planar_conv";
  static constexpr auto kFields =
      std::tuple{field(1, "strides", &PlanarConv::strides), field(2, "pads", &PlanarConv::pads)};

  Conv conv() const;  // after the transposition
  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

}  // namespace mj
