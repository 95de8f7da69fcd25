// SPDX-License-Identifier: Apache-2.0
// conv_transpose(x, w, b?): the gradient of conv; each input element adds its window of weights to the output.
// x is [N,C,spatial...], w is [C,O/group,kernel...], y is [N,O,spatial...].
#pragma once

#include "ops/op.h"
#include "ops/window.h"

namespace mj {

struct ConvTranspose {
  std::vector<int64_t> strides, pads, dilations, output_padding, output_shape;
  int64_t group = 1;
  std::string auto_pad = "NOTSET";

  static constexpr std::string_view kName = "conv_transpose";
  static constexpr auto kFields = std::tuple{
      field(1, "strides", &ConvTranspose::strides),          field(2, "pads", &ConvTranspose::pads),
      field(3, "dilations", &ConvTranspose::dilations),      field(4, "group", &ConvTranspose::group),
      field(5, "auto_pad", &ConvTranspose::auto_pad),        field(6, "output_padding", &ConvTranspose::output_padding),
      field(7, "output_shape", &ConvTranspose::output_shape)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

}  // namespace mj
