// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "kernels/gpu_row_test_util.h"
#include "ops/reduce.h"

namespace mj {
namespace {

using Dims = std::vector<int64_t>;

RowCase along(std::string_view name, Dims axes, Tensor x, bool keepdims = true) {
  Problem problem;
  problem.op = op(name, {{0, "axes", std::move(axes)}, {0, "keepdims", keepdims}});
  return {problem, {std::move(x)}, {}};
}

Tensor positive(uint32_t seed, Dims dims) {
  Tensor x = random_tensor(seed, std::move(dims));
  for (float& v : x.mutable_data<float>()) v = std::fabs(v) + 0.5f;
  return x;
}

Tensor cast(const Tensor& x, DType dtype) { return (*evaluate(op("cast", {{0, "to", dtype}}), std::array{x}))[0]; }

constexpr const char* kKinds[] = {"reduce_sum",         "reduce_mean",      "reduce_max", "reduce_min",
                                  "reduce_prod",        "reduce_l1",        "reduce_l2",  "reduce_log_sum",
                                  "reduce_log_sum_exp", "reduce_sum_square"};

TEST(ReduceCuda, EveryKindAlongRowsAndAcross) {
  for (const char* kind : kKinds) {
    const Tensor x = positive(1, {3, 37, 5});
    expect_gpu_row_matches("reduce_cuda", along(kind, {2}, x), 2e-6);
    expect_gpu_row_matches("reduce_cuda", along(kind, {1}, x, false), 2e-6);
  }
}

TEST(ReduceCuda, AnyAxesOfAnyShape) {
  const Tensor x = random_tensor(1, {3, 5, 7, 11});
  for (const Dims& axes : {Dims{}, Dims{0}, Dims{0, 2}, Dims{1, 3}, Dims{-1, -2}, Dims{0, 3}}) {
    expect_gpu_row_matches("reduce_cuda", along("reduce_sum", axes, x), 5e-6);
  }
  expect_gpu_row_matches("reduce_cuda", along("reduce_mean", {0}, random_tensor(1, {1, 13}), false), 1e-6);
  expect_gpu_row_matches("reduce_cuda", along("reduce_max", {}, random_tensor(1, {})), 0);
  expect_gpu_row_matches("reduce_cuda", along("reduce_sum", {1}, random_tensor(1, {0, 5})), 0);
}

// Every choice of threads: a warp, a block, a column, columns of several rows.
TEST(ReduceCuda, LongLines) {
  for (int64_t length : {257, 2049, 9973, 20011}) {
    expect_gpu_row_matches("reduce_cuda", along("reduce_sum", {1}, random_tensor(1, {2, length})), 2e-5);
  }
  for (int64_t length : {16, 521, 1009}) {
    expect_gpu_row_matches("reduce_cuda", along("reduce_sum_square", {0}, random_tensor(1, {length, 41})), 1e-5);
  }
}

TEST(ReduceCuda, NothingToReduce) {
  for (const char* kind : {"reduce_mean", "reduce_max", "reduce_prod", "reduce_log_sum_exp"}) {
    expect_gpu_row_matches("reduce_cuda", along(kind, {1}, random_tensor(1, {3, 0})), 0);
  }
  for (const char* kind : {"reduce_mean", "reduce_max", "reduce_prod"}) {
    expect_gpu_row_matches("reduce_cuda", along(kind, {0}, Tensor::zeros(DType::i32, {0, 3})), 0);
  }
}

TEST(ReduceCuda, NanAndInfinity) {
  Tensor x = random_tensor(1, {5, 67});
  x.mutable_data<float>()[3] = NAN;
  x.mutable_data<float>()[67 + 66] = INFINITY;
  x.mutable_data<float>()[134 + 40] = -INFINITY;
  for (size_t i = 0; i < 67; ++i) x.mutable_data<float>()[201 + i] = -INFINITY;
  for (const char* kind : {"reduce_sum", "reduce_max", "reduce_min", "reduce_log_sum_exp"}) {
    expect_gpu_row_matches("reduce_cuda", along(kind, {1}, x), 5e-6);
  }
}

TEST(ReduceCuda, OtherTypes) {
  const Dims values = {3, -4, 7, 100, -128, 5, 9, -1, 2, 11, 127, 6};
  const Tensor x = Tensor::of_i64(values).reshaped({4, 3});
  for (DType dtype : {DType::f64, DType::f16, DType::bf16, DType::i8, DType::u64}) {
    for (const char* kind : {"reduce_mean", "reduce_min"}) {
      expect_gpu_row_matches("reduce_cuda", along(kind, {1}, cast(x, dtype)), 1e-3);
    }
  }
  expect_gpu_row_matches("reduce_cuda", along("reduce_l1", {0}, cast(x, DType::i8)), 0);
  expect_gpu_row_matches("reduce_cuda", along("reduce_max", {1}, cast(x, DType::boolean)), 0);
  expect_gpu_row_matches("reduce_cuda", along("reduce_log_sum_exp", {0}, cast(x, DType::f64)), 1e-12);
}

TEST(ReduceCuda, AppliesAnEpilogue) {
  for (int64_t axis : {0, 1}) {
    RowCase c = along("reduce_mean", {axis}, random_tensor(1, {40, 23}));
    add_epilogue(c, {random_tensor(2, {1, 1}), random_tensor(3, axis ? Dims{40, 1} : Dims{23})}, op("sigmoid"));
    expect_gpu_row_matches("reduce_cuda", c, 2e-6);
  }
}

TEST(ReduceCuda, LowerPrecision) {
  for (const Dims& dims : {Dims{3, 6, 16}, Dims{3, 5, 2056}, Dims{4, 3, 5}}) {
    for (const Dims& axes : {Dims{2}, Dims{1}, Dims{0, 2}}) {
      expect_narrow_gpu_row_matches("reduce_cuda", along("reduce_mean", axes, random_tensor(1, dims)), 5e-6);
    }
  }
  RowCase c = along("reduce_log_sum_exp", {1}, random_tensor(1, {40, 24}));
  add_epilogue(c, {random_tensor(3, {40, 1})}, op("sigmoid"));
  expect_narrow_gpu_row_matches("reduce_cuda", c, 4e-6);
}

TEST(ReduceCuda, Refuses) {
  EXPECT_EQ(gpu_refusal_of("reduce_cuda", along("reduce_l2", {0}, Tensor::zeros(DType::i32, {3}))), "reduce_l2 of i32");
  EXPECT_EQ(gpu_refusal_of("reduce_cuda", along("reduce_sum", {0}, Tensor::zeros(DType::f8e4m3, {3}))),
            "elements of f8e4m3");
}

}  // namespace
}  // namespace mj
