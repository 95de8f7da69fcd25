// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "kernels/gpu_row_test_util.h"
#include "ops/transpose.h"

namespace mj {
namespace {

using Dims = std::vector<int64_t>;

RowCase transposed(Dims perm, Tensor x) {
  RowCase c;
  c.problem.op = Transpose{std::move(perm)};
  c.inputs = {std::move(x)};
  return c;
}

TEST(TransposeCuda, EveryOrderOfThreeAxes) {
  const Tensor x = random_tensor(1, {37, 9, 41});
  for (const Dims& perm : {Dims{0, 1, 2}, Dims{0, 2, 1}, Dims{1, 0, 2}, Dims{1, 2, 0}, Dims{2, 0, 1}, Dims{}}) {
    expect_gpu_row_matches("transpose_cuda", transposed(perm, x), 0);
  }
}

TEST(TransposeCuda, ImagesAndHeads) {
  expect_gpu_row_matches("transpose_cuda", transposed({0, 3, 1, 2}, random_tensor(1, {2, 5, 7, 33})), 0);
  expect_gpu_row_matches("transpose_cuda", transposed({0, 2, 3, 1}, random_tensor(1, {2, 3, 11, 13})), 0);
  expect_gpu_row_matches("transpose_cuda", transposed({0, 2, 1, 3}, random_tensor(1, {2, 5, 3, 8})), 0);
  expect_gpu_row_matches("transpose_cuda", transposed({0, 2, 3, 1}, random_tensor(1, {2, 17, 3, 10})), 0);
}

TEST(TransposeCuda, LengthsOfOneAndNone) {
  expect_gpu_row_matches("transpose_cuda", transposed({2, 0, 3, 1}, random_tensor(1, {1, 65, 1, 34})), 0);
  expect_gpu_row_matches("transpose_cuda", transposed({1, 0}, random_tensor(1, {1, 1})), 0);
  expect_gpu_row_matches("transpose_cuda", transposed({1, 0}, random_tensor(1, {0, 12})), 0);
  expect_gpu_row_matches("transpose_cuda", transposed({}, random_tensor(1, {})), 0);
}

TEST(TransposeCuda, OtherTypesBitForBit) {
  Tensor x = random_tensor(1, {33, 40});
  x.mutable_data<float>()[5] = NAN;
  x.mutable_data<float>()[6] = INFINITY;
  for (DType dtype : {DType::f16, DType::f64, DType::u8, DType::i64, DType::boolean}) {
    expect_gpu_row_matches("transpose_cuda",
                           transposed({1, 0}, (*evaluate(op("cast", {{0, "to", dtype}}), std::array{x}))[0]), 0);
  }
}

TEST(TransposeCuda, AppliesAnEpilogue) {
  for (const Dims& perm : {Dims{1, 0, 2}, Dims{0, 2, 1}}) {
    RowCase c = transposed(perm, random_tensor(1, {9, 11, 35}));
    add_epilogue(c, {random_tensor(2, {perm[2] == 1 ? 11 : 35})}, op("relu"));
    expect_gpu_row_matches("transpose_cuda", c, 1e-6);
  }
}

TEST(TransposeCuda, NeighboursAtOnce) {
  for (const Dims& dims : {Dims{8, 72, 24}, Dims{9, 20, 12}, Dims{6, 10, 34}}) {
    for (const Dims& perm : {Dims{1, 0, 2}, Dims{0, 2, 1}, Dims{2, 1, 0}}) {
      RowCase c = transposed(perm, random_tensor(1, dims));
      expect_gpu_row_matches("transpose_cuda", c, 0);
      expect_narrow_gpu_row_matches("transpose_cuda", c, 0);
      const auto out = [&](size_t d) { return dims[static_cast<size_t>(perm[d])]; };
      add_epilogue(c, {random_tensor(2, {out(2)}), random_tensor(3, {out(0), out(1), out(2)})}, op("relu"));
      expect_narrow_gpu_row_matches("transpose_cuda", c, 1e-6);
    }
  }
}

TEST(TransposeCuda, Refuses) {
  EXPECT_EQ(gpu_refusal_of("transpose_cuda", transposed({}, Tensor::zeros(DType::f8e4m3, {3}))), "elements of f8e4m3");
}

}  // namespace
}  // namespace mj
