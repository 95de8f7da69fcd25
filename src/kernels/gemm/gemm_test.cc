// SPDX-License-Identifier: Apache-2.0
#include "ops/gemm.h"

#include "kernels/row_test_util.h"
#include "ops/clip.h"
#include "ops/matmul.h"

namespace mj {
namespace {

RowCase matmul(std::vector<int64_t> a, std::vector<int64_t> b, bool constant) {
  RowCase c;
  c.problem.op = MatMul{};
  c.inputs = {random_tensor(1, std::move(a)), random_tensor(2, std::move(b))};
  c.constant = {false, constant};
  return c;
}

TEST(gemm_f32, multiplies_matrices_of_every_rank) {
  for (bool constant : {false, true}) {
    expect_row_matches("gemm_f32", matmul({5, 7}, {7, 9}, constant), 1e-5);
    expect_row_matches("gemm_f32", matmul({1, 300}, {300, 70}, constant), 1e-4);
    expect_row_matches("gemm_f32", matmul({2, 3, 50, 64}, {64, 33}, constant), 1e-4);
    expect_row_matches("gemm_f32", matmul({7}, {7, 9}, constant), 1e-5);
    expect_row_matches("gemm_f32", matmul({0, 7}, {7, 9}, constant), 1e-5);
    expect_row_matches("gemm_f32", matmul({3, 0}, {0, 9}, constant), 1e-5);
  }
}

TEST(gemm_f32, broadcasts_batches) {
  expect_row_matches("gemm_f32", matmul({4, 3, 5, 6}, {4, 3, 6, 7}, false), 1e-5);
  expect_row_matches("gemm_f32", matmul({4, 1, 5, 6}, {1, 3, 6, 7}, false), 1e-5);
  expect_row_matches("gemm_f32", matmul({1, 3, 5, 6}, {4, 3, 6, 7}, false), 1e-5);
  expect_row_matches("gemm_f32", matmul({5, 6}, {4, 3, 6, 7}, false), 1e-5);
  expect_row_matches("gemm_f32", matmul({2, 4, 3, 5, 6}, {3, 6, 7}, true), 1e-5);
  expect_row_matches("gemm_f32", matmul({2, 5, 6}, {6}, false), 1e-5);
  expect_row_matches("gemm_f32", matmul({3, 1, 5, 6}, {2, 1, 1, 6, 4}, false), 1e-5);
}

TEST(gemm_f32, does_the_onnx_gemm_in_all_forms) {
  for (bool a_t : {false, true})
    for (bool b_t : {false, true})
      for (bool constant : {false, true})
        for (std::vector<int64_t> c_dims : {std::vector<int64_t>{}, {1}, {11}, {1, 11}, {6, 11}}) {
          Gemm gemm;
          gemm.transA = a_t;
          gemm.transB = b_t;
          if (constant && !a_t) gemm.alpha = 0.5f;
          if (constant && c_dims != std::vector<int64_t>{6, 11}) gemm.beta = 2;
          RowCase c;
          c.problem.op = gemm;
          c.inputs = {random_tensor(1, a_t ? std::vector<int64_t>{8, 6} : std::vector<int64_t>{6, 8}),
                      random_tensor(2, b_t ? std::vector<int64_t>{11, 8} : std::vector<int64_t>{8, 11}),
                      random_tensor(3, c_dims)};
          c.constant = {false, constant, constant};
          if (!constant && element_count({c_dims.begin(), c_dims.end()}) == Dim(1)) continue;  // refused
          expect_row_matches("gemm_f32", c, 1e-5);
        }
}

TEST(gemm_f32, fuses_bias_residual_and_clamp) {
  for (bool constant : {false, true}) {
    RowCase c = matmul({3, 20, 30}, {30, 21}, constant);
    add_epilogue(c, {random_tensor(5, {21}), random_tensor(6, {3, 20, 21})}, op("relu"));
    expect_row_matches("gemm_f32", c, 1e-5);
    c = matmul({4, 3, 5, 6}, {1, 3, 6, 7}, constant);
    add_epilogue(c, {random_tensor(6, {4, 3, 5, 7})}, Clip{-0.25f, 0.5f});
    expect_row_matches("gemm_f32", c, 1e-5);
  }
}

TEST(gemm_f32, fuses_any_body_of_elementwise_maths) {
  RowCase c = matmul({2, 20, 30}, {30, 21}, true);
  add_epilogue(c, {random_tensor(5, {20, 1})}, op("tanh"));
  expect_row_matches("gemm_f32", c, 1e-5);
  c = matmul({4, 3, 5, 6}, {1, 3, 6, 7}, false);
  add_epilogue(c, {random_tensor(5, {3, 1, 7})}, op("sigmoid"));
  expect_row_matches("gemm_f32", c, 1e-5);
}

TEST(gemm_f32, says_why_not) {
  RowCase c = matmul({20, 30}, {30}, true);
  add_epilogue(c, {}, op("relu"));
  EXPECT_EQ(refusal_of("gemm_f32", c), "the product with a vector has no columns to fuse on");
}

}  // namespace
}  // namespace mj
