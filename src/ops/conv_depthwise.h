// SPDX-License-Identifier: Apache-2.0
// conv_depthwise(x, w, b?, v, c?) = conv(activation(conv(x, w, b)), v, c): a pixelwise convolution widens the image, a
// depthwise one reads what it made. A fused step: it lets a kernel keep the wide image in the cache.
// x is [N,H,W,C], w [E,C,1,1], v [E,1,kernel...], y [N,H',W',E]; strides, pads and dilations are the depthwise one's.
#pragma once

#include <limits>

#include "ops/conv.h"

namespace mj {

struct ConvDepthwise {
  std::vector<int64_t> strides, pads, dilations;
  std::string auto_pad = "NOTSET";
  std::string activation;                               // "", "relu", "clip", "silu" or "hard_swish"
  float min = -std::numeric_limits<float>::infinity();  // of clip
  float max = std::numeric_limits<float>::infinity();

  static constexpr std::string_view kName = "conv_depthwise";
  static constexpr auto kFields = std::tuple{field(1, "strides", &ConvDepthwise::strides),
                                             field(2, "pads", &ConvDepthwise::pads),
                                             field(3, "dilations", &ConvDepthwise::dilations),
                                             field(4, "auto_pad", &ConvDepthwise::auto_pad),
                                             field(5, "activation", &ConvDepthwise::activation),
                                             field(6, "min", &ConvDepthwise::min),
                                             field(7, "max", &ConvDepthwise::max)};

  // Its parts. No operator where there is no activation.
  Conv pixelwise() const;
  Op between() const;
  Conv depthwise(int64_t channels) const;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

// The fields `activation`, `min` and `max` for an operator, if it is one of those.
bool set_activation(ConvDepthwise& op, const Op& activation);

}  // namespace mj
