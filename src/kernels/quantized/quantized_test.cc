// SPDX-License-Identifier: Apache-2.0
// Every row equals the integer reference bit for bit: a tolerance of 0 throughout.
#include <cmath>

#include "kernels/quantized/cases_test_util.h"
#include "ops/pool.h"
#include "ops/quantize.h"

namespace mj {
namespace {

void expect_conv(QuantizedConv op, std::vector<int64_t> x, std::vector<int64_t> w) {
  op.channels_last = true;
  int turn = 0;
  for (DType from : {DType::u8, DType::i8})
    for (DType to : {DType::u8, DType::i8}) {
      set_bytes(op, from, to);
      const int64_t outputs = w[0];
      expect_row_matches("quantized_product",
                         product(op, from, x, w, outputs, turn != 1, turn == 2 ? Fill::extreme : Fill::uniform), 0);
      ++turn;
    }
}

TEST(quantized_product, convolves) {
  expect_conv(with({}, {1, 1, 1, 1}), {2, 7, 9, 20}, {33, 20, 3, 3});
  expect_conv(with({2, 2}, {3, 3, 3, 3}), {2, 21, 20, 3}, {18, 3, 7, 7});  // few channels
  expect_conv(with({}, {}), {1, 5, 6, 64}, {40, 64, 1, 1});
  expect_conv(with({2, 1}, {}), {3, 6, 5, 17}, {7, 17, 1, 1});
  expect_conv(with({}, {1, 0, 2, 1}), {1, 7, 9, 5}, {1, 5, 3, 2});
  expect_conv(with({}, {1, 1, 1, 1}, 4), {2, 7, 9, 20}, {8, 5, 3, 3});
  expect_conv(with({}, {1, 1, 1, 1}, 19), {1, 7, 9, 19}, {19, 1, 3, 3});
  expect_conv(with({2}, {1, 2}), {2, 31, 24}, {9, 24, 5});
  expect_conv(with({}, {}), {0, 5, 6, 8}, {4, 8, 1, 1});
  QuantizedConv dilated = with({}, {2, 2, 2, 2});
  dilated.dilations = {2, 2};
  expect_conv(dilated, {1, 9, 8, 6}, {5, 6, 3, 3});
  expect_conv(with({}, {1, 1, 1, 1}), {1, 14, 14, 96}, {64, 96, 3, 3});
}

TEST(quantized_product, multiplies) {
  for (DType from : {DType::u8, DType::i8}) {
    QuantizedMatMul op;
    set_bytes(op, from, DType::i8);
    for (Fill fill : {Fill::uniform, Fill::extreme}) {
      expect_row_matches("quantized_product", product(op, from, {1, 130}, {130, 35}, 35, true, fill), 0);
      expect_row_matches("quantized_product", product(op, from, {3, 7, 61}, {61, 16}, 16, false, fill), 0);
      expect_row_matches("quantized_product", product(op, from, {0, 8}, {8, 3}, 3, true, fill), 0);
      expect_row_matches("quantized_product", product(op, from, {5, 1}, {1, 1}, 1, true, fill), 0);
    }
  }
}

TEST(quantized_product, keeps_to_bounds) {
  QuantizedConv op = with({}, {1, 1, 1, 1});
  op.channels_last = true;
  set_bytes(op, DType::u8, DType::u8);
  op.low = 12, op.high = 40;
  expect_row_matches("quantized_product", product(op, DType::u8, {1, 6, 6, 8}, {16, 8, 3, 3}, 16, true, Fill::uniform),
                     0);
}

TEST(quantized_product, says_why_not) {
  QuantizedConv op = with({}, {});
  RowCase c = product(op, DType::i8, {1, 4, 3, 3}, {2, 4, 1, 1}, 2, true, Fill::uniform);
  EXPECT_EQ(refusal_of("quantized_product", c), "it is not channels_last");
  op.channels_last = true;
  c = product(op, DType::i8, {1, 3, 3, 4}, {2, 4, 1, 1}, 2, true, Fill::uniform);
  c.constant = {};
  EXPECT_EQ(refusal_of("quantized_product", c), "its weights are not constant");
  c = product(op, DType::i8, {1, 3, 3, 4}, {2, 4, 1, 1}, 2, true, Fill::uniform);
  c.inputs[1] = bytes(2, DType::u8, {2, 4, 1, 1});
  c.inputs.push_back(bytes(5, DType::u8, {2}));
  c.constant.push_back(true);
  EXPECT_EQ(refusal_of("quantized_product", c), "its weights have a zero point");
}

TEST(quantized_mean, averages) {
  for (DType from : {DType::u8, DType::i8})
    for (const std::vector<int64_t>& axes : {std::vector<int64_t>{1, 2}, {2, 3}, {3}, {}}) {
      QuantizedMean op;
      set_bytes(op, from, DType::u8);
      op.axes = axes;
      for (const std::vector<int64_t>& dims : {std::vector<int64_t>{2, 7, 7, 300}, {1, 1, 5, 3}}) {
        RowCase c;
        c.problem.op = op;
        c.inputs = {bytes(1, from, dims), scales(2, 1, 1.5f)};
        c.constant = {false, true};
        expect_row_matches("quantized_mean", c, 0);
      }
    }
  QuantizedMean apart;
  apart.axes = {0, 2};
  RowCase c;
  c.problem.op = apart;
  c.inputs = {bytes(1, DType::i8, {2, 3, 4}), scales(2, 1, 1)};
  EXPECT_EQ(refusal_of("quantized_mean", c), "its axes are not neighbours");
}

TEST(quantized_add, adds) {
  for (DType a : {DType::u8, DType::i8})
    for (DType b : {DType::u8, DType::i8})
      for (DType to : {DType::u8, DType::i8})
        for (int64_t n : {0, 1, 31, 1000}) {
          QuantizedAdd op;
          set_bytes(op, a, to);
          op.b_zero = b == DType::u8 ? 100 : 3;
          op.x_scale = 0.0371f, op.b_scale = 0.02f, op.y_scale = 0.05f;  // 0.02 and 0.05 make ties
          op.low += 5;
          op.y_zero = op.low + 9;
          RowCase c;
          c.problem.op = op;
          c.inputs = {bytes(1, a, {n, 3}), bytes(2, b, {n, 3})};
          expect_row_matches("quantized_add", c, 0);
        }
}

TEST(quantize_bytes, rounds_both_ways) {
  for (DType to : {DType::u8, DType::i8}) {
    RowCase c;
    c.problem.op = op("quantize_linear");
    Tensor x = random_tensor(1, {3, 401});
    const std::span<float> values = x.mutable_data<float>();
    for (size_t i = 0; i < values.size(); ++i) values[i] = i % 2 ? values[i] * 9 : static_cast<float>(i % 64) * 0.25f;
    values[0] = NAN, values[1] = INFINITY, values[2] = -INFINITY, values[3] = -0.0f, values[4] = 1e-42f;
    values[5] = 3e38f;
    c.inputs = {x, Tensor::zeros(DType::f32, {}), bytes(3, to, {})};
    c.inputs[1].mutable_data<float>()[0] = 0.5f;
    expect_row_matches("quantize_bytes", c, 0);
    c.inputs.pop_back();
    if (to == DType::u8) expect_row_matches("quantize_bytes", c, 0);

    RowCase back;
    back.problem.op = op("dequantize_linear");
    back.inputs = {bytes(1, to, {7, 100}), scales(2, 1, 0.1f), bytes(3, to, {1})};
    expect_row_matches("dequantize_bytes", back, 0);
  }
  RowCase c;
  c.problem.op = op("quantize_linear");
  c.inputs = {random_tensor(1, {2, 3}), scales(1, 3, 1), bytes(3, DType::i8, {3})};
  EXPECT_EQ(refusal_of("quantize_bytes", c), "it has several scales");
}

TEST(max_pool_bytes, takes_maxima) {
  for (DType dtype : {DType::u8, DType::i8}) {
    MaxPool op;
    op.kernel_shape = {3, 3};
    op.strides = {2, 2};
    op.pads = {1, 1, 1, 1};
    op.channels_last = true;
    RowCase c;
    c.problem.op = op;
    c.inputs = {bytes(1, dtype, {2, 9, 19, 17})};
    expect_row_matches("max_pool_bytes", c, 0);
    op.kernel_shape = {9, 19};  // more taps than are taken at once
    op.strides = {}, op.pads = {};
    c.problem = {};
    c.problem.op = op;
    expect_row_matches("max_pool_bytes", c, 0);
    op.channels_last = false;
    c.problem = {};
    c.problem.op = op;
    c.inputs = {bytes(1, dtype, {2, 17, 9, 19})};
    EXPECT_EQ(refusal_of("max_pool_bytes", c), "it is not channels_last");
  }
}

}  // namespace
}  // namespace mj
