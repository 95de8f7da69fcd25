// SPDX-License-Identifier: Apache-2.0
// What Q/DQ regions mean, in integers: u8 and i8 in and out, exact sums in i32.
//   quantized_conv(x, w, scale, bias?, w_zero?)    acc = bias[o] + conv(x - x_zero, w - w_zero[o])
//   quantized_matmul(x, w, scale, bias?, w_zero?)  acc = bias[n] + matmul(x - x_zero, w - w_zero[n]); w is [K,N]
//   quantized_mean(x, scale)                       acc = sum of x - x_zero over the axes, scale divided by their length
//   y = clamp(round_half_even(float(acc) * scale[o]) + y_zero, low, high)
//   quantized_add(a, b)                            the sum as Q/DQ says it, each operation rounded to f32:
//   y = clamp(round_half_even(((a - x_zero) * x_scale + (b - b_zero) * b_scale) / y_scale) + y_zero, low, high)
// float(acc) * scale is one f32 product. scale and w_zero hold one number or one for each output; bias is i32. Padding
// counts as x_zero. Sums beyond i32 are the maker's mistake: recognize_quantized proves that there are none.
#pragma once

#include "ops/op.h"
#include "ops/window.h"

namespace mj {

struct Requantize {
  DType to = DType::i8;
  int64_t x_zero = 0, y_zero = 0;
  int64_t low = -128, high = 127;  // within the range of `to`

  // y for a number of steps.
  int64_t rounded(float steps) const;
  // `to`, the bounds and input 0 fit.
  Result<void> check(const InferContext& context) const;
  // Weights, scale, bias and w_zero fit as well, inputs 1 to 4.
  Result<void> check_operands(const InferContext& context, const Dim& outputs) const;
  // Sums [outer][outputs][inner] to y.
  void apply(const Tensor& sums, const Tensor& scale, int64_t inner, Tensor& y) const;
};

struct QuantizedConv : Requantize {
  std::vector<int64_t> strides, pads, dilations;
  int64_t group = 1;
  std::string auto_pad = "NOTSET";
  bool channels_last = false;

  static constexpr std::string_view kName = "quantized_conv";
  static constexpr auto kFields = std::tuple{field(1, "strides", &QuantizedConv::strides),
                                             field(2, "pads", &QuantizedConv::pads),
                                             field(3, "dilations", &QuantizedConv::dilations),
                                             field(4, "group", &QuantizedConv::group),
                                             field(5, "auto_pad", &QuantizedConv::auto_pad),
                                             field(6, "channels_last", &QuantizedConv::channels_last),
                                             field(7, "to", &Requantize::to),
                                             field(8, "x_zero", &Requantize::x_zero),
                                             field(9, "y_zero", &Requantize::y_zero),
                                             field(10, "low", &Requantize::low),
                                             field(11, "high", &Requantize::high)};

  WindowFields window() const { return {strides, pads, dilations, auto_pad}; }
  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

struct QuantizedMatMul : Requantize {
  static constexpr std::string_view kName = "quantized_matmul";
  static constexpr auto kFields = std::tuple{field(1, "to", &Requantize::to), field(2, "x_zero", &Requantize::x_zero),
                                             field(3, "y_zero", &Requantize::y_zero), field(4, "low", &Requantize::low),
                                             field(5, "high", &Requantize::high)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

struct QuantizedMean : Requantize {
  std::vector<int64_t> axes;
  bool keepdims = true;

  static constexpr std::string_view kName = "quantized_mean";
  static constexpr auto kFields =
      std::tuple{field(1, "axes", &QuantizedMean::axes),  field(2, "keepdims", &QuantizedMean::keepdims),
                 field(3, "to", &Requantize::to),         field(4, "x_zero", &Requantize::x_zero),
                 field(5, "y_zero", &Requantize::y_zero), field(6, "low", &Requantize::low),
                 field(7, "high", &Requantize::high)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

struct QuantizedAdd : Requantize {
  float x_scale = 1, b_scale = 1, y_scale = 1;
  int64_t b_zero = 0;

  static constexpr std::string_view kName = "quantized_add";
  static constexpr auto kFields =
      std::tuple{field(1, "to", &Requantize::to),           field(2, "x_scale", &QuantizedAdd::x_scale),
                 field(3, "x_zero", &Requantize::x_zero),   field(4, "b_scale", &QuantizedAdd::b_scale),
                 field(5, "b_zero", &QuantizedAdd::b_zero), field(6, "y_scale", &QuantizedAdd::y_scale),
                 field(7, "y_zero", &Requantize::y_zero),   field(8, "low", &Requantize::low),
                 field(9, "high", &Requantize::high)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

// The numbers that u8 or i8 holds.
inline std::pair<int64_t, int64_t> byte_range(DType dtype) {
  return dtype == DType::u8 ? std::pair<int64_t, int64_t>{0, 255} : std::pair<int64_t, int64_t>{-128, 127};
}
inline bool is_byte(DType dtype) { return dtype == DType::u8 || dtype == DType::i8; }

}  // namespace mj
