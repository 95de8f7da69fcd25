// SPDX-License-Identifier: Apache-2.0
#include "kernels/gpu_row_test_util.h"

namespace mj {
namespace {

RowCase along(int64_t axis, Tensor x, bool exclusive = false, bool reverse = false) {
  RowCase c;
  c.problem.op = op("cum_sum", {{0, "exclusive", exclusive}, {0, "reverse", reverse}});
  c.inputs = {std::move(x), Tensor::scalar(axis)};
  c.constant = {false, true};
  return c;
}

TEST(CumSumCuda, EveryAxisAndDirection) {
  expect_gpu_row_matches("cum_sum_cuda", along(1, random_tensor(1, {3, 521, 2})), 5e-6);
  expect_gpu_row_matches("cum_sum_cuda", along(-1, random_tensor(1, {5, 300}), true, true), 5e-6);
  expect_gpu_row_matches("cum_sum_cuda", along(0, Tensor::of_i64(std::vector<int64_t>{1, -1, 1, 0, 7}), true), 0);
  expect_gpu_row_matches("cum_sum_cuda", along(0, random_tensor(1, {0, 3})), 0);
}

TEST(CumSumCuda, LowerPrecision) {
  expect_narrow_gpu_row_matches("cum_sum_cuda", along(0, random_tensor(1, {9, 7}), false, true), 1e-6);
}

TEST(CumSumCuda, Refuses) {
  RowCase c = along(0, random_tensor(1, {3}));
  c.constant = {};
  EXPECT_EQ(gpu_refusal_of("cum_sum_cuda", c), "its axis is computed");
}

}  // namespace
}  // namespace mj
