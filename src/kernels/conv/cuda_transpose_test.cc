// SPDX-License-Identifier: Apache-2.0
#include "kernels/gpu_row_test_util.h"
#include "ops/conv_transpose.h"

namespace mj {
namespace {

constexpr const char* kRow = "conv_transpose_cuda_f32";

RowCase transposed(ConvTranspose op, std::vector<int64_t> x, std::vector<int64_t> w, bool bias = true) {
  RowCase c;
  const int64_t outputs = w[1] * op.group;
  c.problem.op = std::move(op);
  c.inputs = {random_tensor(1, std::move(x)), random_tensor(2, std::move(w))};
  if (bias) c.inputs.push_back(random_tensor(3, {outputs}));
  c.constant = {false, true, true};
  return c;
}

void expect_config(RowCase c, double tolerance = 2e-5) {
  if (!can_run_on_test_gpu()) GTEST_SKIP() << "there is no C++ compiler to emulate a GPU with";
  const std::vector<Tensor> want = complete(c);
  expect_config_matches(kRow, c, "tile=32x64x16", want, tolerance);
}

TEST(ConvTransposeCuda, StridesAndPadding) {
  ConvTranspose op;
  op.strides = {2, 3}, op.pads = {1, 0, 1, 2}, op.output_padding = {1, 0};
  expect_gpu_row_matches(kRow, transposed(op, {2, 6, 5, 4}, {6, 9, 4, 3}), 2e-5);
  ConvTranspose dilated;
  dilated.strides = {2}, dilated.dilations = {3}, dilated.group = 2;
  expect_config(transposed(dilated, {1, 6, 11}, {6, 4, 3}, false));
}

TEST(ConvTransposeCuda, PaddingByTheResult) {
  ConvTranspose op;
  op.strides = {2, 2}, op.output_shape = {10, 9};
  expect_config(transposed(op, {1, 3, 5, 4}, {3, 4, 3, 3}));
  op.output_shape = {}, op.auto_pad = "SAME_UPPER";
  expect_config(transposed(op, {1, 3, 5, 4}, {3, 4, 3, 3}));
}

TEST(ConvTransposeCuda, LowerPrecision) {
  ConvTranspose op;
  op.strides = {2, 2}, op.pads = {1, 1, 1, 1};
  RowCase c = transposed(op, {1, 4, 5, 4}, {4, 8, 4, 4});
  for (Tensor& input : c.inputs) input = cast_to(input, DType::f16);
  expect_config(c, 0x1p-10);
}

TEST(ConvTransposeCuda, Refuses) {
  RowCase c = transposed({}, {1, 3, 5, 4}, {3, 4, 3, 3});
  EXPECT_EQ(gpu_refusal_of(kRow, c), "takes it");
  c.constant = {};
  EXPECT_EQ(gpu_refusal_of(kRow, c), "its weights are not constant");
}

}  // namespace
}  // namespace mj
