// SPDX-License-Identifier: Apache-2.0
// Every row equals the integer reference bit for bit: a tolerance of 0 throughout.
#include <cmath>

#include "kernels/gpu_row_test_util.h"
#include "kernels/quantized/cases_test_util.h"
#include "ops/quantize.h"

namespace mj {
namespace {

RowCase conv_case(QuantizedConv op, DType from, DType to, std::vector<int64_t> x, std::vector<int64_t> w, Fill fill) {
  op.channels_last = true;
  set_bytes(op, from, to);
  const int64_t outputs = w[0];
  return product(op, from, std::move(x), std::move(w), outputs, true, fill);
}

RowCase matmul_case(DType from, std::vector<int64_t> x, std::vector<int64_t> w, bool biased) {
  QuantizedMatMul op;
  set_bytes(op, from, DType::i8);
  const int64_t outputs = w[1];
  return product(op, from, std::move(x), std::move(w), outputs, biased, Fill::uniform);
}

void expect_config(RowCase c, const std::string& config) {
  if (!can_run_on_test_gpu()) GTEST_SKIP() << "there is no C++ compiler to emulate a GPU with";
  const std::vector<Tensor> want = complete(c);
  expect_config_matches("quantized_product_cuda", c, config, want, 0);
}

TEST(QuantizedProductCuda, Convolves) {
  // 1, 4 and 16 bytes of a line at once; one tap and many; tiles that are not full.
  expect_gpu_row_matches(
      "quantized_product_cuda",
      conv_case(with({2, 2}, {3, 3, 3, 3}), DType::u8, DType::i8, {2, 11, 12, 3}, {18, 3, 7, 7}, Fill::uniform), 0);
  expect_gpu_row_matches(
      "quantized_product_cuda",
      conv_case(with({}, {1, 0, 2, 1}), DType::i8, DType::u8, {1, 7, 9, 20}, {33, 20, 3, 3}, Fill::extreme), 0);
  QuantizedConv dilated = with({}, {2, 2, 2, 2});
  dilated.dilations = {2, 2};
  expect_gpu_row_matches("quantized_product_cuda",
                         conv_case(dilated, DType::u8, DType::u8, {1, 9, 8, 32}, {48, 32, 3, 3}, Fill::uniform), 0);
  expect_gpu_row_matches("quantized_product_cuda",
                         conv_case(with({}, {}), DType::i8, DType::i8, {0, 5, 6, 8}, {4, 8, 1, 1}, Fill::uniform), 0);
}

TEST(QuantizedProductCuda, EveryWayToMultiply) {
  const RowCase deep =
      conv_case(with({}, {1, 1, 1, 1}), DType::u8, DType::i8, {1, 9, 8, 48}, {40, 48, 3, 3}, Fill::uniform);
  for (const char* config : {"tile=128x128,mma,split=1", "tile=64x64,dp4a,split=2", "tile=32x64,mma,split=2",
                             "tile=32x32,dp4a,split=1", "tile=128x64,dp4a,split=1"}) {
    expect_config(deep, config);
  }
}

TEST(QuantizedProductCuda, Groups) {
  expect_gpu_row_matches(
      "quantized_product_cuda",
      conv_case(with({}, {1, 1, 1, 1}, 19), DType::u8, DType::i8, {1, 7, 9, 19}, {19, 1, 3, 3}, Fill::uniform), 0);
  expect_config(
      conv_case(with({2, 2}, {1, 1, 1, 1}, 2), DType::i8, DType::i8, {2, 7, 9, 32}, {40, 16, 3, 3}, Fill::extreme),
      "tile=64x64,mma,split=1");
}

TEST(QuantizedProductCuda, Multiplies) {
  expect_gpu_row_matches("quantized_product_cuda", matmul_case(DType::u8, {1, 130}, {130, 35}, true), 0);
  expect_config(matmul_case(DType::i8, {3, 7, 64}, {64, 16}, false), "tile=32x32,mma,split=1");
}

TEST(QuantizedProductCuda, KeepsToBounds) {
  QuantizedConv op = with({}, {1, 1, 1, 1});
  op.channels_last = true;
  set_bytes(op, DType::u8, DType::u8);
  op.low = 12, op.high = 40;
  expect_config(product(op, DType::u8, {1, 6, 6, 8}, {16, 8, 3, 3}, 16, true, Fill::uniform),
                "tile=32x32,dp4a,split=1");
}

TEST(QuantizedProductCuda, Refuses) {
  QuantizedConv op = with({}, {});
  RowCase c = product(op, DType::i8, {1, 4, 3, 3}, {2, 4, 1, 1}, 2, true, Fill::uniform);
  EXPECT_EQ(gpu_refusal_of("quantized_product_cuda", c), "it is not channels_last");
  op.channels_last = true;
  c = product(op, DType::i8, {1, 3, 3, 4}, {2, 4, 1, 1}, 2, true, Fill::uniform);
  EXPECT_EQ(gpu_refusal_of("quantized_product_cuda", c, 75), "takes it");
  c.constant = {};
  EXPECT_EQ(gpu_refusal_of("quantized_product_cuda", c), "its weights are not constant");
}

TEST(QuantizedBytesCuda, Means) {
  for (const std::vector<int64_t>& axes : {std::vector<int64_t>{1, 2}, {3}}) {
    QuantizedMean op;
    set_bytes(op, DType::i8, DType::u8);
    op.axes = axes;
    RowCase c;
    c.problem.op = op;
    c.inputs = {bytes(1, DType::i8, {2, 7, 5, 33}), scales(2, 1, 1.5f)};
    c.constant = {false, true};
    expect_gpu_row_matches("quantized_mean_cuda", c, 0);
  }
  QuantizedMean apart;
  apart.axes = {0, 2};
  RowCase c;
  c.problem.op = apart;
  c.inputs = {bytes(1, DType::i8, {2, 3, 4}), scales(2, 1, 1)};
  EXPECT_EQ(gpu_refusal_of("quantized_mean_cuda", c), "its axes are not neighbours");
}

TEST(QuantizedBytesCuda, Adds) {
  for (int64_t n : {31, 1000}) {
    QuantizedAdd op;
    set_bytes(op, DType::u8, DType::i8);
    op.b_zero = 3;
    op.x_scale = 0.0371f, op.b_scale = 0.02f, op.y_scale = 0.05f;  // 0.02 and 0.05 make ties
    op.low += 5;
    op.y_zero = op.low + 9;
    RowCase c;
    c.problem.op = op;
    c.inputs = {bytes(1, DType::u8, {n, 3}), bytes(2, DType::i8, {n, 3})};
    expect_gpu_row_matches("quantized_add_cuda", c, 0);
  }
}

TEST(QuantizedBytesCuda, RoundsBothWays) {
  for (DType to : {DType::u8, DType::i8}) {
    RowCase c;
    c.problem.op = op("quantize_linear");
    Tensor x = random_tensor(1, {3, 400});
    const std::span<float> values = x.mutable_data<float>();
    for (size_t i = 0; i < values.size(); ++i) values[i] = i % 2 ? values[i] * 9 : static_cast<float>(i % 64) * 0.25f;
    values[0] = NAN, values[1] = INFINITY, values[2] = -INFINITY, values[3] = -0.0f, values[4] = 1e-42f;
    values[5] = 3e38f;
    c.inputs = {x, Tensor::zeros(DType::f32, {}), bytes(3, to, {})};
    c.inputs[1].mutable_data<float>()[0] = 0.5f;
    expect_gpu_row_matches("quantize_cuda", c, 0);
  }
  RowCase c;
  c.problem.op = QuantizeLinear{};
  c.inputs = {random_tensor(1, {2, 3, 5}), scales(1, 3, 1), bytes(3, DType::i8, {3})};
  expect_gpu_row_matches("quantize_cuda", c, 0);
  RowCase back;
  back.problem.op = op("dequantize_linear");
  back.inputs = {bytes(1, DType::u8, {7, 100}), scales(2, 100, 0.1f), bytes(3, DType::u8, {100})};
  expect_gpu_row_matches("dequantize_cuda", back, 0);
  add_epilogue(back, {random_tensor(4, {100})}, op("relu"));
  expect_gpu_row_matches("dequantize_cuda", back, 1e-6);
  back.inputs[0] = Tensor::zeros(DType::i32, {7, 100});
  back.inputs[2] = Tensor::zeros(DType::i32, {100});
  EXPECT_EQ(gpu_refusal_of("dequantize_cuda", back), "not u8 or i8");
}

}  // namespace
}  // namespace mj
