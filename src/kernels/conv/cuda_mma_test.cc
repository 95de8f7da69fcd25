// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/mma_tile.h"
#include "kernels/cuda/persistent_tile.h"
#include "kernels/gpu_row_test_util.h"
#include "ops/conv.h"

namespace mj {
namespace {

constexpr const char *kRow = "conv_cuda_mma", *kPersistent = "conv_cuda_persistent";
constexpr double kTolerance = 4e-3;  // of f16 results, and of sums in another order before rounding
using Dims = std::vector<int64_t>;

struct Window {
  Dims strides = {}, pads = {}, dilations = {};
  int64_t group = 1;
};

RowCase conv(const Window& window, Dims x, Dims w, bool bias = true, DType dtype = DType::f16) {
  Conv op;
  op.strides = window.strides;
  op.pads = window.pads;
  op.dilations = window.dilations;
  op.group = window.group;
  op.channels_last = true;
  RowCase c;
  c.problem.op = op;
  c.inputs = {cast_to(random_tensor(1, std::move(x)), dtype), cast_to(random_tensor(2, w), dtype)};
  if (bias) c.inputs.push_back(cast_to(random_tensor(3, {w[0]}), dtype));
  c.constant = {false, true, true};
  return c;
}

TEST(ConvMmaCuda, EveryTile) {
  if (!can_run_on_test_gpu()) GTEST_SKIP();
  for (MmaTile tile : all_mma_tiles()) {
    tile.split = tile.rows == 64 ? 2 : 1;
    RowCase c = conv({.pads = {1, 1, 1, 1}}, {2, 9, 8, 16}, {40, 16, 3, 3});
    const std::vector<Tensor> want = complete(c);
    expect_config_matches(kRow, c, to_string(tile), want, kTolerance);
  }
}

TEST(ConvMmaCuda, WindowsOfEveryKind) {
  expect_gpu_row_matches(kRow, conv({}, {2, 5, 6, 24}, {16, 24, 1, 1}), kTolerance);
  expect_gpu_row_matches(kRow, conv({.strides = {2, 2}}, {2, 7, 6, 16}, {16, 16, 1, 1}, false), kTolerance);
  expect_gpu_row_matches(kRow, conv({.strides = {2, 1}, .pads = {1, 0, 2, 1}}, {1, 7, 6, 8}, {12, 8, 3, 2}),
                         kTolerance);
  expect_gpu_row_matches(kRow, conv({.dilations = {2, 3}}, {1, 9, 11, 8}, {9, 8, 3, 3}), kTolerance);
  expect_gpu_row_matches(kRow, conv({.strides = {2, 2}, .pads = {3, 3, 3, 3}}, {1, 12, 12, 3}, {16, 3, 7, 7}),
                         kTolerance);
  expect_gpu_row_matches(kRow, conv({.pads = {2, 2}}, {2, 13, 12}, {8, 12, 5}), kTolerance);
  expect_gpu_row_matches(kRow, conv({.pads = {1, 1, 1, 1, 1, 1}}, {1, 4, 3, 5, 8}, {8, 8, 3, 3, 3}), kTolerance);
}

TEST(ConvMmaCuda, PersistentBlocks) {
  if (!can_run_on_test_gpu()) GTEST_SKIP();
  for (const PersistentTile& tile : {PersistentTile{128, 128, 1, 3, false}, PersistentTile{128, 64, 1, 8, true},
                                     PersistentTile{128, 64, 2, 3, true, 2}}) {
    RowCase c = conv({.pads = {1, 1, 1, 1}}, {3, 9, 8, 16}, {40, 16, 3, 3});
    const std::vector<Tensor> want = complete(c);
    expect_config_matches(kPersistent, c, to_string(tile), want, kTolerance);
  }
  expect_gpu_row_matches(kPersistent, conv({.strides = {2, 2}, .pads = {3, 3, 3, 3}}, {1, 12, 12, 4}, {16, 4, 7, 7}),
                         kTolerance);
  EXPECT_EQ(gpu_refusal_of(kPersistent, conv({.group = 2}, {1, 6, 5, 32}, {24, 16, 3, 3})), "several products");
}

TEST(ConvMmaCuda, Groups) {
  expect_gpu_row_matches(kRow, conv({.pads = {1, 1, 1, 1}, .group = 2}, {1, 6, 5, 32}, {24, 16, 3, 3}), kTolerance);
}

TEST(ConvMmaCuda, Bf16WithResidualAndActivation) {
  RowCase c = conv({.pads = {1, 1, 1, 1}}, {1, 7, 7, 64}, {32, 64, 3, 3}, true, DType::bf16);
  expect_gpu_row_matches(kRow, c, 3e-2);
}

TEST(ConvMmaCuda, Refuses) {
  EXPECT_EQ(gpu_refusal_of(kRow, conv({}, {1, 4, 4, 8}, {8, 8, 1, 1}, false, DType::f32)),
            "operands of f32, not f16 or bf16");
  RowCase first = conv({}, {1, 8, 4, 4}, {8, 8, 1, 1}, false);
  Conv op = first.problem.op.as<Conv>();
  op.channels_last = false;
  first.problem.op = op;
  EXPECT_EQ(gpu_refusal_of(kRow, first), "channels are not the last axis");
}

}  // namespace
}  // namespace mj
