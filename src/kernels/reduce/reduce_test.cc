// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "kernels/row_test_util.h"

namespace mj {
namespace {

using Dims = std::vector<int64_t>;

RowCase reduced(std::string_view name, Dims axes, bool keepdims, Tensor x) {
  Problem problem;
  problem.op = op(name, {{0, "axes", std::move(axes)}, {0, "keepdims", keepdims}});
  return {problem, {std::move(x)}, {}};
}

TEST(ReduceRow, AnyAxes) {
  for (const char* name : {"reduce_sum", "reduce_mean", "reduce_max", "reduce_min", "reduce_prod", "reduce_l1",
                           "reduce_l2", "reduce_sum_square"}) {
    for (const Dims& axes : {Dims{}, Dims{3}, Dims{0}, Dims{1}, Dims{1, 2}, Dims{2, 3}, Dims{0, 2}, Dims{0, 1, 3},
                             Dims{1, 3}, Dims{0, 2, 3}}) {
      expect_row_matches("reduce_f32", reduced(name, axes, axes.size() % 2, random_tensor(1, {2, 5, 7, 19})), 1e-5);
    }
    expect_row_matches("reduce_f32", reduced(name, {1}, false, random_tensor(1, {3, 0, 4})), 0);
    expect_row_matches("reduce_f32", reduced(name, {0}, false, random_tensor(1, {3, 0, 4})), 0);
    expect_row_matches("reduce_f32", reduced(name, {}, true, random_tensor(1, {})), 0);
  }
}

TEST(ReduceRow, LongSumsStayExact) {
  Tensor x = random_tensor(1, {2, 112 * 112, 33});
  for (float& v : x.mutable_data<float>()) v += 100;
  expect_row_matches("reduce_f32", reduced("reduce_mean", {1}, true, x), 1e-6);
  expect_row_matches("reduce_f32", reduced("reduce_mean", {}, true, x), 1e-6);
  expect_row_matches("reduce_f32", reduced("reduce_mean", {2}, true, x), 1e-6);
}

TEST(ReduceRow, NanAndInfinity) {
  Tensor x = random_tensor(1, {4, 37});
  x.mutable_data<float>()[5] = NAN;
  x.mutable_data<float>()[40] = INFINITY;
  x.mutable_data<float>()[80] = -INFINITY;
  for (const char* name : {"reduce_sum", "reduce_max", "reduce_min"}) {
    expect_row_matches("reduce_f32", reduced(name, {1}, false, x), 1e-5);
    expect_row_matches("reduce_f32", reduced(name, {0}, false, x), 1e-5);
  }
}

TEST(ReduceRow, RefusesWhatIsNoPlainFold) {
  EXPECT_EQ(refusal_of("reduce_f32", reduced("reduce_log_sum_exp", {1}, true, random_tensor(1, {2, 3}))),
            "reduce_log_sum_exp is not a plain fold");
}

}  // namespace
}  // namespace mj
