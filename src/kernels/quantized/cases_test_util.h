// SPDX-License-Identifier: Apache-2.0
// Cases for the tests of the quantized rows.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>
#include <vector>

#include "kernels/row_test_util.h"
#include "ops/quantized.h"

namespace mj {

enum class Fill { uniform, extreme };

// u8 or i8; extremes are what saturates where pairs of products are added up in 16 bits.
inline Tensor bytes(uint32_t seed, DType dtype, std::vector<int64_t> dims, Fill fill = Fill::uniform) {
  std::mt19937 random(seed);
  Tensor tensor = Tensor::zeros(dtype, std::move(dims));
  const auto draw = [&]<class T>(std::span<T> values, int low, int high) {
    for (T& value : values) {
      const int drawn = std::uniform_int_distribution<int>(low, high)(random);
      value = static_cast<T>(fill == Fill::extreme ? (drawn % 2 ? low : high) : drawn);
    }
  };
  if (dtype == DType::u8) {
    draw(tensor.mutable_data<uint8_t>(), 0, 255);
  } else {
    draw(tensor.mutable_data<int8_t>(), -128, 127);
  }
  return tensor;
}

inline Tensor scales(uint32_t seed, int64_t n, float size) {
  Tensor tensor = random_tensor(seed, {n});
  for (float& scale : tensor.mutable_data<float>()) scale = size * (0.5f + std::abs(scale));
  return tensor;
}

inline Tensor whole(uint32_t seed, int64_t n, int reach) {
  std::mt19937 random(seed);
  Tensor tensor = Tensor::zeros(DType::i32, {n});
  for (int32_t& value : tensor.mutable_data<int32_t>())
    value = std::uniform_int_distribution<int>(-reach, reach)(random);
  return tensor;
}

inline void set_bytes(Requantize& op, DType x, DType y) {
  op.to = y;
  std::tie(op.low, op.high) = byte_range(y);
  op.x_zero = x == DType::u8 ? 131 : -7;
  op.y_zero = y == DType::u8 ? 12 : -128;
}

inline RowCase product(Op op, DType x, std::vector<int64_t> x_dims, std::vector<int64_t> w_dims, int64_t outputs,
                       bool biased, Fill fill) {
  RowCase c;
  c.problem.op = std::move(op);
  // So that most results are within bounds and ties turn up.
  const int64_t depth = std::max<int64_t>(1, Tensor::zeros(DType::i8, w_dims).size() / std::max<int64_t>(1, outputs));
  const float size = 1 / (64 * std::sqrt(static_cast<float>(depth)));
  c.inputs = {bytes(1, x, std::move(x_dims), fill), bytes(2, DType::i8, std::move(w_dims), fill),
              scales(3, biased ? outputs : 1, size)};
  if (biased) c.inputs.push_back(whole(4, outputs, 3000));
  c.constant = {false, true, true, true};
  return c;
}

inline QuantizedConv with(std::vector<int64_t> strides, std::vector<int64_t> pads, int64_t group = 1) {
  QuantizedConv op;
  op.strides = std::move(strides);
  op.pads = std::move(pads);
  op.group = group;
  return op;
}

}  // namespace mj
