// SPDX-License-Identifier: Apache-2.0
#include "ops/transpose.h"

#include <algorithm>

#include "kernels/row_test_util.h"

namespace mj {
namespace {

RowCase turned(Tensor x, std::vector<int64_t> perm) {
  Problem problem;
  problem.op = Transpose{std::move(perm)};
  return {problem, {std::move(x)}, {}};
}

TEST(TransposeRow, EveryPermutationOfFourAxes) {
  for (const std::vector<int64_t>& dims :
       std::initializer_list<std::vector<int64_t>>{{2, 3, 5, 7}, {1, 17, 1, 33}, {3, 0, 2, 2}, {20, 16, 24, 8}}) {
    std::vector<int64_t> perm = {0, 1, 2, 3};
    do expect_row_matches("transpose_copy", turned(random_tensor(1, dims), perm), 0);
    while (std::next_permutation(perm.begin(), perm.end()));
  }
}

TEST(TransposeRow, ScalarsVectorsAndLargeMatrices) {
  expect_row_matches("transpose_copy", turned(random_tensor(1, {}), {}), 0);
  expect_row_matches("transpose_copy", turned(random_tensor(1, {9}), {0}), 0);
  expect_row_matches("transpose_copy", turned(random_tensor(1, {517, 389}), {}), 0);
  expect_row_matches("transpose_copy", turned(random_tensor(1, {1, 96, 40, 41}), {0, 2, 3, 1}), 0);
  expect_row_matches("transpose_copy", turned(random_tensor(1, {2, 3, 30, 41}), {0, 2, 3, 1}), 0);
}

TEST(TransposeRow, ElementsOfEverySize) {
  for (DType dtype : {DType::u8, DType::boolean, DType::f16, DType::i32, DType::i64, DType::f64}) {
    Tensor x = Tensor::zeros(dtype, {3, 19, 37});
    auto* bytes = static_cast<uint8_t*>(x.mutable_raw());
    for (int64_t i = 0; i < x.bytes(); ++i) bytes[i] = static_cast<uint8_t>(dtype == DType::boolean ? i % 2 : i % 31);
    expect_row_matches("transpose_copy", turned(x, {2, 0, 1}), 0);
  }
}

}  // namespace
}  // namespace mj
