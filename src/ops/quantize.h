// SPDX-License-Identifier: Apache-2.0
// quantize_linear(x, scale, zero_point?) = saturate(round_half_even(x / scale) + zero_point)
// dequantize_linear(x, scale, zero_point?) = (x - zero_point) * scale
// scale is one number, a vector along `axis`, or with block_size of x's rank with dims[axis] / block_size along it.
#pragma once

#include "ops/op.h"

namespace mj {

struct QuantizeLinear {
  int64_t axis = 1;
  int64_t block_size = 0;
  DType output_dtype = DType::none;  // none: that of zero_point, or u8
  bool saturate = true;              // of floats of a byte: what is too large becomes the largest number

  static constexpr std::string_view kName = "quantize_linear";
  static constexpr OnnxName kOnnx = {.name = "QuantizeLinear", .since = 10};
  static constexpr auto kFields = std::tuple{
      field(1, "axis", &QuantizeLinear::axis), field(2, "block_size", &QuantizeLinear::block_size),
      field(3, "output_dtype", &QuantizeLinear::output_dtype), field(4, "saturate", &QuantizeLinear::saturate)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

struct DequantizeLinear {
  int64_t axis = 1;
  int64_t block_size = 0;
  DType output_dtype = DType::none;  // none: that of scale

  static constexpr std::string_view kName = "dequantize_linear";
  static constexpr OnnxName kOnnx = {.name = "DequantizeLinear", .since = 10};
  static constexpr auto kFields =
      std::tuple{field(1, "axis", &DequantizeLinear::axis), field(2, "block_size", &DequantizeLinear::block_size),
                 field(3, "output_dtype", &DequantizeLinear::output_dtype)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

}  // namespace mj
