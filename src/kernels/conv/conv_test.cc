// SPDX-License-Identifier: Apache-2.0
#include "ops/conv.h"

#include "kernels/row_test_util.h"

namespace mj {
namespace {

RowCase conv(Conv op, std::vector<int64_t> x, std::vector<int64_t> w, bool constant, bool bias) {
  RowCase c;
  const int64_t outputs = w[0];
  c.problem.op = std::move(op);
  c.inputs = {random_tensor(1, std::move(x)), random_tensor(2, std::move(w))};
  if (bias) c.inputs.push_back(random_tensor(3, {outputs}));
  c.constant = {false, constant, constant};
  return c;
}

Conv with(std::vector<int64_t> strides, std::vector<int64_t> pads, int64_t group, bool channels_last) {
  Conv op;
  op.strides = std::move(strides);
  op.pads = std::move(pads);
  op.group = group;
  op.channels_last = channels_last;
  return op;
}

TEST(conv_f32, computes_both_layouts_with_and_without_constant_weights) {
  for (bool constant : {false, true})
    for (bool bias : {false, true}) {
      expect_row_matches("conv_f32", conv(with({}, {1, 1, 1, 1}, 1, true), {2, 9, 8, 5}, {7, 5, 3, 3}, constant, bias),
                         1e-5);
      expect_row_matches("conv_f32", conv(with({}, {1, 1, 1, 1}, 1, false), {2, 5, 9, 8}, {7, 5, 3, 3}, constant, bias),
                         1e-5);
      expect_row_matches(
          "conv_f32", conv(with({2, 2}, {3, 3, 3, 3}, 1, false), {2, 3, 20, 21}, {18, 3, 7, 7}, constant, bias), 1e-4);
      expect_row_matches(
          "conv_f32", conv(with({2, 1}, {0, 0, 0, 0}, 1, true), {1, 7, 6, 40}, {33, 40, 1, 1}, constant, bias), 1e-5);
      expect_row_matches("conv_f32",
                         conv(with({}, {0, 0, 0, 0}, 1, false), {3, 40, 5, 6}, {33, 40, 1, 1}, constant, bias), 1e-5);
      expect_row_matches("conv_f32",
                         conv(with({}, {1, 0, 2, 1}, 4, false), {1, 20, 7, 9}, {8, 5, 3, 2}, constant, bias), 1e-5);
      expect_row_matches(
          "conv_f32", conv(with({2, 2}, {1, 1, 1, 1}, 20, true), {2, 7, 9, 20}, {20, 1, 3, 3}, constant, bias), 1e-5);
      expect_row_matches("conv_f32",
                         conv(with({}, {1, 1, 1, 1}, 20, false), {2, 20, 7, 9}, {20, 1, 3, 3}, constant, bias), 1e-5);
      expect_row_matches("conv_f32", conv(with({2}, {1, 2}, 1, false), {2, 24, 31}, {9, 24, 5}, constant, bias), 1e-5);
    }
}

TEST(conv_f32, walks_depthwise_rows_with_and_without_edges) {
  for (int64_t kernel : {3, 5, 7})
    for (int64_t stride : {1, 2, 3})
      for (int64_t width : {1, 2, 7, 13, 24})
        for (int64_t pad : {int64_t{0}, kernel / 2, kernel}) {
          if (width + 2 * pad < kernel) continue;
          expect_row_matches("conv_f32",
                             conv(with({stride, stride}, {pad, pad, pad, pad}, 21, true), {2, width, width, 21},
                                  {21, 1, kernel, kernel}, true, true),
                             1e-5);
        }
}

TEST(conv_f32, resolves_auto_padding_and_dilation) {
  Conv op;
  op.auto_pad = "SAME_LOWER";
  op.dilations = {2, 1};
  expect_row_matches("conv_f32", conv(op, {1, 6, 10, 11}, {4, 6, 2, 4}, true, false), 1e-5);
  op.auto_pad = "SAME_UPPER";
  op.strides = {2, 3};
  expect_row_matches("conv_f32", conv(op, {1, 18, 10, 11}, {4, 18, 3, 3}, true, false), 1e-5);
}

// conv, + bias, + residual, relu
RowCase fused(bool channels_last, bool residual) {
  RowCase c = channels_last ? conv(with({}, {1, 1, 1, 1}, 1, true), {2, 6, 5, 16}, {24, 16, 3, 3}, true, false)
                            : conv(with({}, {1, 1, 1, 1}, 1, false), {2, 16, 6, 5}, {24, 16, 3, 3}, true, false);
  c.problem.anchor_inputs = 2;
  Body& body = c.problem.epilogue;
  body.params.assign(residual ? 3 : 2, DType::f32);
  int value = body.append(op("add"), {1, 0});
  c.inputs.push_back(random_tensor(4, channels_last ? std::vector<int64_t>{24} : std::vector<int64_t>{24, 1, 1}));
  if (residual) {
    value = body.append(op("add"), {value, 2});
    c.inputs.push_back(
        random_tensor(5, channels_last ? std::vector<int64_t>{2, 6, 5, 24} : std::vector<int64_t>{2, 24, 6, 5}));
  }
  body.results = {body.append(op("relu"), {value})};
  return c;
}

TEST(conv_f32, fuses_bias_residual_and_clamp) {
  expect_row_matches("conv_f32", fused(true, true), 1e-5);
  expect_row_matches("conv_f32", fused(true, false), 1e-5);
  expect_row_matches("conv_f32", fused(false, false), 1e-5);
  expect_row_matches("conv_f32", fused(false, true), 1e-5);
}

TEST(conv_f32, says_why_not) {
  EXPECT_EQ(refusal_of("conv_f32", conv(Conv{}, {1, 2, 3, 3, 3}, {4, 2, 1, 1, 1}, true, false)), "not 1-d or 2-d");
}

TEST(conv_winograd_f32, computes_and_fuses) {
  expect_row_matches("conv_winograd_f32", fused(true, true), 1e-5);
  expect_row_matches("conv_winograd_f32", fused(true, false), 1e-5);
  expect_row_matches("conv_winograd_f32",
                     conv(with({1, 1}, {1, 1, 1, 1}, 1, true), {3, 9, 7, 40}, {17, 40, 3, 3}, true, true), 1e-4);
}

TEST(conv_winograd_f32, says_why_not) {
  const Conv nhwc = with({}, {1, 1, 1, 1}, 1, true);
  EXPECT_EQ(refusal_of("conv_winograd_f32", conv(nhwc, {1, 9, 7, 40}, {17, 40, 1, 3}, true, false)),
            "the window is not 3x3");
  EXPECT_EQ(refusal_of("conv_winograd_f32", conv(nhwc, {1, 9, 7, 3}, {17, 3, 3, 3}, true, false)),
            "it has fewer than 16 channels");
  EXPECT_EQ(refusal_of("conv_winograd_f32", conv(nhwc, {1, 9, 7, 40}, {17, 40, 3, 3}, false, false)),
            "its weights are not constant");
}

}  // namespace
}  // namespace mj
