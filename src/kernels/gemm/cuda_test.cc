// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/tile_text.h"
#include "kernels/gpu_row_test_util.h"
#include "ops/gemm.h"
#include "ops/matmul.h"

namespace mj {
namespace {

constexpr const char* kRow = "gemm_cuda_f32";
using Dims = std::vector<int64_t>;

RowCase matmul(Dims a, Dims b, bool constant = false) {
  RowCase c;
  c.problem.op = MatMul{};
  c.inputs = {random_tensor(1, std::move(a)), random_tensor(2, std::move(b))};
  c.constant = {false, constant};
  return c;
}

RowCase gemm(Gemm op, int64_t m, int64_t n, int64_t k, std::optional<Dims> c_dims) {
  RowCase c;
  c.problem.op = op;
  c.inputs = {random_tensor(1, op.transA ? Dims{k, m} : Dims{m, k}),
              random_tensor(2, op.transB ? Dims{n, k} : Dims{k, n})};
  if (c_dims) c.inputs.push_back(random_tensor(3, *c_dims));
  return c;
}

const SelectRow& row() {
  for (const SelectRow* row : all_select_rows()) {
    if (row->name == kRow) return *row;
  }
  std::abort();
}

Target h100() { return *parse_target("sm_90", {}); }

void expect_tile_matches(RowCase c, const Tile& tile) {
  const std::vector<Tensor> want = complete(c);
  expect_config_matches(kRow, c, to_string(tile), want, 1e-4);
}

TEST(GemmCuda, EveryTileAlignedAndRagged) {
  if (!can_run_on_test_gpu()) GTEST_SKIP();
  for (Tile tile : all_tiles()) {
    for (int split : {1, 2}) {
      tile.split = split;
      expect_tile_matches(matmul({tile.rows + 4, 68}, {68, tile.columns + 8}), tile);
      expect_tile_matches(matmul({2, tile.rows + 3, 67}, {2, 67, tile.columns + 5}), tile);
    }
  }
}

TEST(GemmCuda, EveryTileTransposed) {
  if (!can_run_on_test_gpu()) GTEST_SKIP();
  for (const Tile& tile : all_tiles()) {
    Gemm op;
    op.transA = op.transB = true;
    expect_tile_matches(gemm(op, tile.rows + 4, tile.columns + 8, 36, {}), tile);
    expect_tile_matches(gemm(op, tile.rows - 3, tile.columns + 3, 37, {}), tile);
  }
}

TEST(GemmCuda, MatricesOfEveryRank) {
  for (bool constant : {false, true}) {
    expect_gpu_row_matches(kRow, matmul({5, 7}, {7, 9}, constant), 1e-5);
    expect_gpu_row_matches(kRow, matmul({2, 3, 53, 64}, {64, 33}, constant), 1e-4);
  }
  expect_gpu_row_matches(kRow, matmul({1, 1}, {1, 1}), 1e-5);
  expect_gpu_row_matches(kRow, matmul({1, 300}, {300, 70}), 1e-4);
  expect_gpu_row_matches(kRow, matmul({7}, {7, 9}), 1e-5);
  expect_gpu_row_matches(kRow, matmul({7}, {7}), 1e-5);
  expect_gpu_row_matches(kRow, matmul({5, 8}, {8}), 1e-5);
  expect_gpu_row_matches(kRow, matmul({8}, {2, 8, 4}), 1e-5);
  expect_gpu_row_matches(kRow, matmul({3, 5, 8}, {8}), 1e-5);
}

TEST(GemmCuda, NothingToMultiplyOrToStore) {
  expect_gpu_row_matches(kRow, matmul({0, 7}, {7, 9}), 0);
  expect_gpu_row_matches(kRow, matmul({3, 0}, {0, 9}), 0);
}

TEST(GemmCuda, BatchesBroadcast) {
  expect_gpu_row_matches(kRow, matmul({4, 3, 5, 6}, {4, 3, 6, 7}), 1e-5);
  expect_gpu_row_matches(kRow, matmul({4, 1, 5, 8}, {1, 3, 8, 12}), 1e-5);
  expect_gpu_row_matches(kRow, matmul({1, 3, 5, 6}, {4, 3, 6, 7}), 1e-5);
  expect_gpu_row_matches(kRow, matmul({5, 6}, {4, 3, 6, 7}), 1e-5);
  expect_gpu_row_matches(kRow, matmul({2, 4, 3, 5, 6}, {3, 6, 7}), 1e-5);
  expect_gpu_row_matches(kRow, matmul({3, 1, 5, 6}, {2, 1, 1, 6, 4}), 1e-5);
  expect_gpu_row_matches(kRow, matmul({2, 5, 6}, {1, 6, 4}), 1e-5);
}

TEST(GemmCuda, OnnxGemmInAllForms) {
  for (bool a_t : {false, true}) {
    for (bool b_t : {false, true}) {
      for (const std::optional<Dims>& c : {std::optional<Dims>(), {Dims{}}, {Dims{6, 1}}, {Dims{6, 11}}}) {
        if (a_t != b_t && c) continue;  // where c stands does not depend on them
        Gemm op;
        op.transA = a_t;
        op.transB = b_t;
        op.alpha = 0.5f;
        op.beta = a_t ? 2.0f : 1.0f;
        expect_gpu_row_matches(kRow, gemm(op, 6, 11, 8, c), 1e-5);
      }
    }
  }
}

TEST(GemmCuda, SplitDepthWithEpilogue) {
  RowCase c = matmul({3, 1031}, {1031, 37});
  add_epilogue(c, {random_tensor(5, {37}), random_tensor(6, {3, 37})}, op("relu"));
  complete(c);
  EXPECT_NE(row().configs(c.problem, h100())[0].find("split="), std::string::npos);
  expect_gpu_row_matches(kRow, c, 1e-4);
}

TEST(GemmCuda, EpiloguesOverBatches) {
  RowCase c = matmul({3, 20, 30}, {30, 21});
  add_epilogue(c, {random_tensor(5, {21}), random_tensor(6, {3, 20, 21})}, op("sigmoid"));
  expect_gpu_row_matches(kRow, c, 1e-5);
  c = matmul({4, 3, 5, 6}, {1, 3, 6, 7});
  add_epilogue(c, {random_tensor(6, {3, 1, 7}), random_tensor(7, {5, 1})}, op("tanh"));
  expect_gpu_row_matches(kRow, c, 1e-5);
}

TEST(GemmCuda, SeveralOutputsOfSeveralTypes) {
  RowCase c = matmul({2, 19, 12}, {12, 23});
  c.problem.anchor_inputs = 2;
  c.inputs.push_back(random_tensor(5, {23}));
  Body& body = c.problem.epilogue;
  body.params = {DType::f32, DType::f32};
  const int sum = body.append(op("add"), {0, 1});
  const int relu = body.append(op("relu"), {sum});
  body.results = {sum, relu, 0};
  c.problem.outputs.resize(3);
  expect_gpu_row_matches(kRow, c, 1e-5);
}

TEST(GemmCuda, LowerPrecision) {
  RowCase c = matmul({2, 5, 12}, {2, 12, 8});
  add_epilogue(c, {random_tensor(5, {8}), random_tensor(6, {2, 5, 8})}, op("sigmoid"));
  expect_narrow_gpu_row_matches(kRow, c, 1e-5);
  Gemm op;
  op.transB = true;
  op.beta = 0.5f;
  expect_narrow_gpu_row_matches(kRow, gemm(op, 6, 11, 7, Dims{11}), 1e-5);
}

TEST(GemmCuda, SaysWhyNot) {
  RowCase c = matmul({5, 7}, {7, 9});
  EXPECT_EQ(gpu_refusal_of(kRow, c), "takes it");
  for (Tensor& input : c.inputs) input = Tensor::zeros(DType::f64, input.dims());
  EXPECT_EQ(gpu_refusal_of(kRow, c), "an operand is f64");
  c = matmul({5, 1}, {1, 9});
  add_epilogue(c, {random_tensor(5, {3, 5, 9})}, op("relu"));
  EXPECT_EQ(gpu_refusal_of(kRow, c), "the epilogue broadcasts the anchor's result");
}

TEST(GemmCuda, FirstConfigurationFitsTheSizes) {
  const auto first = [](int64_t m, int64_t n, int64_t k) {
    Problem problem;
    problem.op = MatMul{};
    problem.anchor_inputs = 2;
    problem.inputs = {{DType::f32, {m, k}}, {DType::f32, {k, n}}};
    problem.outputs = {{DType::f32, {m, n}}};
    return row().configs(problem, h100())[0];
  };
  EXPECT_EQ(first(4096, 4096, 1024), "tile=128x128x8");
  EXPECT_EQ(first(16384, 3072, 768).find("tile=128x"), 0u);
  EXPECT_EQ(first(100000, 32, 64), "tile=128x32x16");
  EXPECT_EQ(first(1, 1000, 2048).find("tile=16x64x32,split="), 0u) << first(1, 1000, 2048);
}

}  // namespace
}  // namespace mj
