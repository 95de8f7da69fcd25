// SPDX-License-Identifier: Apache-2.0
#include "kernels/gpu_row_test_util.h"
#include "ops/rotary.h"

namespace mj {
namespace {

using Dims = std::vector<int64_t>;

RowCase case_of(bool interleaved, Dims x, Dims cos, Dims sin) {
  RowCase c;
  c.problem.op = Rotary{interleaved};
  c.inputs = {random_tensor(1, std::move(x)), random_tensor(2, std::move(cos)), random_tensor(3, std::move(sin))};
  return c;
}

TEST(RotaryCuda, HalvesAndNeighbours) {
  expect_gpu_row_matches("rotary_cuda", case_of(false, {2, 3, 5, 64}, {1, 1, 5, 64}, {5, 64}), 1e-6);
  expect_gpu_row_matches("rotary_cuda", case_of(true, {2, 5, 3, 22}, {2, 5, 1, 22}, {2, 1, 1, 22}), 1e-6);
}

TEST(RotaryCuda, FactorsOfPairs) {
  RowCase c = case_of(false, {4, 7, 34}, {7, 17}, {1});
  c.inputs[2] = random_tensor(3, {17});
  c.constant = {true};  // a length that is known, so that 17 is known for its half
  expect_gpu_row_matches("rotary_cuda", c, 1e-6);
}

TEST(RotaryCuda, LowerPrecision) {
  RowCase c = case_of(false, {2, 3, 5, 8}, {5, 8}, {5, 8});
  expect_narrow_gpu_row_matches("rotary_cuda", c, 1e-6);
  add_epilogue(c, {random_tensor(4, {8})}, {});
  expect_narrow_gpu_row_matches("rotary_cuda", c, 1e-6);
}

TEST(RotaryCuda, Refuses) {
  RowCase c = case_of(false, {2, 8}, {8}, {8});
  c.inputs[0] = cast_to(c.inputs[0], DType::f64);
  c.inputs[1] = cast_to(c.inputs[1], DType::f64);
  c.inputs[2] = cast_to(c.inputs[2], DType::f64);
  EXPECT_EQ(gpu_refusal_of("rotary_cuda", c), "an operand is f64");
}

}  // namespace
}  // namespace mj
