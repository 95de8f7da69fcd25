// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/mma_tile.h"
#include "kernels/cuda/persistent_tile.h"
#include "kernels/gpu_row_test_util.h"
#include "ops/gemm.h"
#include "ops/matmul.h"

namespace mj {
namespace {

constexpr const char *kRow = "gemm_cuda_mma", *kPersistent = "gemm_cuda_persistent";
using Dims = std::vector<int64_t>;

RowCase matmul(Dims a, Dims b, bool constant = false, DType dtype = DType::f16) {
  RowCase c;
  c.problem.op = MatMul{};
  c.inputs = {cast_to(random_tensor(1, std::move(a)), dtype), cast_to(random_tensor(2, std::move(b)), dtype)};
  c.constant = {false, constant};
  return c;
}

// Of 16-bit results, and of sums in another order before rounding.
constexpr double kTolerance = 2e-3, kBf16Tolerance = 1.6e-2;

TEST(GemmMmaCuda, EveryTile) {
  if (!can_run_on_test_gpu()) GTEST_SKIP();
  for (MmaTile tile : all_mma_tiles()) {
    for (const bool constant : {true, false}) {
      if (tile.groups && !constant) continue;  // wgmma reads columns that were packed
      RowCase c = matmul({tile.rows + 4, 136}, {136, tile.columns + 8}, constant);
      const std::vector<Tensor> want = complete(c);
      expect_config_matches(kRow, c, to_string(tile), want, kTolerance);
    }
  }
}

TEST(GemmMmaCuda, ClustersShareTheDepth) {
  if (!can_run_on_test_gpu()) GTEST_SKIP();
  for (const int split : {2, 4, 8}) {
    MmaTile tile = all_mma_tiles()[6];
    tile.split = split;
    for (const int64_t columns : {72, 33}) {
      RowCase c = matmul({49, 600}, {600, columns}, true);
      const std::vector<Tensor> want = complete(c);
      expect_config_matches(kRow, c, to_string(tile), want, 2 * kTolerance);
    }
  }
}

TEST(GemmMmaCuda, MatricesOfEveryRankAndWidth) {
  for (const bool constant : {false, true}) {
    expect_gpu_row_matches(kRow, matmul({5, 7}, {7, 9}, constant), kTolerance);
    expect_gpu_row_matches(kRow, matmul({2, 3, 13, 64}, {64, 33}, constant), kTolerance);
    expect_gpu_row_matches(kRow, matmul({1, 130}, {130, 70}, constant), kTolerance);
  }
  expect_gpu_row_matches(kRow, matmul({7}, {7, 12}), kTolerance);
  expect_gpu_row_matches(kRow, matmul({5, 8}, {8}), kTolerance);
  expect_gpu_row_matches(kRow, matmul({8}, {2, 8, 4}), kTolerance);
  expect_gpu_row_matches(kRow, matmul({4, 1, 5, 8}, {1, 3, 8, 12}), kTolerance);
  expect_gpu_row_matches(kRow, matmul({0, 7}, {7, 9}), 0);
  expect_gpu_row_matches(kRow, matmul({3, 0}, {0, 9}), 0);
}

TEST(GemmMmaCuda, Bf16) {
  expect_gpu_row_matches(kRow, matmul({70, 200}, {200, 40}, true, DType::bf16), kBf16Tolerance);
}

TEST(GemmMmaCuda, OnnxGemmInAllForms) {
  for (const bool a_t : {false, true}) {
    for (const bool b_t : {false, true}) {
      Gemm op;
      op.transA = a_t;
      op.transB = b_t;
      op.alpha = 0.5f;
      op.beta = 2.0f;
      for (const bool constant : {false, true}) {
        RowCase c;
        c.problem.op = op;
        c.inputs = {cast_to(random_tensor(1, a_t ? Dims{24, 17} : Dims{17, 24}), DType::f16),
                    cast_to(random_tensor(2, b_t ? Dims{16, 24} : Dims{24, 16}), DType::f16),
                    cast_to(random_tensor(3, {17, 1}), DType::f16)};
        c.constant = {false, constant};
        expect_gpu_row_matches(kRow, c, kTolerance);
      }
    }
  }
}

// Blocks take several tiles each, the last of which are not full.
TEST(GemmMmaCuda, PersistentBlocks) {
  if (!can_run_on_test_gpu()) GTEST_SKIP();
  for (const PersistentTile& tile : {PersistentTile{128, 256, 2, 3, false}, PersistentTile{256, 128, 3, 3, false},
                                     PersistentTile{128, 64, 2, 8, true}, PersistentTile{128, 128, 4, 3, true},
                                     PersistentTile{128, 192, 2, 4, false}, PersistentTile{256, 64, 5, 4, false}}) {
    RowCase c = matmul({tile.rows * 3 + 4, 136}, {136, tile.columns + 8}, true);
    const std::vector<Tensor> want = complete(c);
    expect_config_matches(kPersistent, c, to_string(tile), want, kTolerance);
  }
  expect_gpu_row_matches(kPersistent, matmul({2, 3, 13, 64}, {64, 33}, true), kTolerance);
  expect_gpu_row_matches(kPersistent, matmul({70, 200}, {200, 40}, true, DType::bf16), kBf16Tolerance);
}

TEST(GemmMmaCuda, PersistentBlocksRefuse) {
  EXPECT_EQ(gpu_refusal_of(kPersistent, matmul({5, 8}, {8, 8}, true), 80), "warpgroups are of sm_90 only");
  EXPECT_EQ(gpu_refusal_of(kPersistent, matmul({5, 8}, {8, 8}, false)), "no constant matrix to be packed");
  EXPECT_EQ(gpu_refusal_of(kPersistent, matmul({5, 0}, {0, 8}, true)), "nothing to add up");
  EXPECT_EQ(gpu_refusal_of(kPersistent, matmul({5, 7}, {7, 8}, true)),
            "neighbours along the depth cannot be copied together");
}

TEST(GemmMmaCuda, Refuses) {
  EXPECT_EQ(gpu_refusal_of(kRow, matmul({5, 7}, {7, 9}, false, DType::f32)), "operands of f32, not f16 or bf16");
  EXPECT_EQ(gpu_refusal_of(kRow, matmul({5, 7}, {7, 9}), 75), "tensor cores of before sm_80");
}

}  // namespace
}  // namespace mj
