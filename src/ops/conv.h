// SPDX-License-Identifier: Apache-2.0
// conv(x, w, b?): convolution over 1 to 3 spatial dims.
//   y[n,o,p] = b[o] + sum over c in o's group, k of w[o,c,k] * x[n,c,p * stride - pad + k * dilation]
// x is [N,C,spatial...], or [N,spatial...,C] with channels_last, and so is y; w is [O,C/group,kernel...] in both cases.
#pragma once

#include "ops/op.h"
#include "ops/window.h"

namespace mj {

struct Conv {
  std::vector<int64_t> strides, pads, dilations;
  int64_t group = 1;
  std::string auto_pad = "NOTSET";
  bool channels_last = false;

  static constexpr std::string_view kName = "conv";
  static constexpr auto kFields =
      std::tuple{field(1, "strides", &Conv::strides),     field(2, "pads", &Conv::pads),
                 field(3, "dilations", &Conv::dilations), field(4, "group", &Conv::group),
                 field(5, "auto_pad", &Conv::auto_pad),   field(6, "channels_last", &Conv::channels_last)};

  WindowFields window() const { return {strides, pads, dilations, auto_pad}; }
  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

}  // namespace mj
