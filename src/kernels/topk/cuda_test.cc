// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "kernels/gpu_row_test_util.h"
#include "ops/topk.h"

namespace mj {
namespace {

RowCase best(Tensor x, int64_t k, int64_t axis = -1, bool largest = true) {
  RowCase c;
  TopK op;
  op.axis = axis;
  op.largest = largest;
  c.problem.op = op;
  c.inputs = {std::move(x), Tensor::of_i64(std::vector{k})};
  c.constant = {false, true};
  c.problem.outputs.resize(2);
  return c;
}

// Few values, so that many are equal; zeros of both signs, infinities and NaN.
Tensor crowded(std::vector<int64_t> dims) {
  Tensor x = random_tensor(1, std::move(dims));
  for (float& value : x.mutable_data<float>()) value = std::round(value * 8) / 4;
  const std::span<float> values = x.mutable_data<float>();
  values[1] = values[4] = NAN, values[2] = INFINITY, values[3] = -INFINITY, values[5] = -0.0f, values[6] = 0.0f;
  return x;
}

TEST(TopKCuda, ShortLines) {
  for (bool largest : {true, false}) {
    expect_gpu_row_matches("topk_cuda", best(crowded({3, 41, 2}), 17, 1, largest), 0);
  }
  expect_gpu_row_matches("topk_cuda", best(crowded({2, 300}), 300), 0);
  expect_gpu_row_matches("topk_cuda", best(crowded({2, 30}), 0), 0);
}

// Symbols are searched, whatever their length.
TEST(TopKCuda, LongLines) {
  for (bool largest : {true, false}) {
    expect_gpu_row_matches("topk_cuda", best(crowded({2, 1500}), 300, -1, largest), 0);
  }
  RowCase c = best(crowded({1100, 2}), 5, 0);
  c.problem.outputs.resize(1);
  expect_gpu_row_matches("topk_cuda", c, 0);
}

TEST(TopKCuda, Integers) {
  const Tensor x = Tensor::of_i64(std::vector<int64_t>{5, INT64_MIN, INT64_MAX, 5, -1, 0, INT64_MAX});
  expect_gpu_row_matches("topk_cuda", best(x, 4), 0);
  const std::vector<uint8_t> small = {3, 255, 0, 3, 128};
  expect_gpu_row_matches("topk_cuda", best(Tensor::of<uint8_t>({5}, small), 3, 0, false), 0);
}

TEST(TopKCuda, LowerPrecision) { expect_narrow_gpu_row_matches("topk_cuda", best(crowded({2, 40}), 7), 0); }

TEST(TopKCuda, Refuses) {
  RowCase c = best(crowded({2, 30}), 3);
  c.inputs[0] = cast_to(random_tensor(1, {2, 30}), DType::f8e4m3);
  EXPECT_EQ(gpu_refusal_of("topk_cuda", c), "elements of f8e4m3");
}

RowCase place_of(const std::string& which, Tensor x, int64_t axis, bool last = false) {
  RowCase c;
  c.problem.op = op(which, {{0, "axis", axis}, {0, "keepdims", true}, {0, "select_last_index", last}});
  c.inputs = {std::move(x)};
  return c;
}

TEST(ArgReduceCuda, LinesOfBothKinds) {
  for (const char* which : {"arg_max", "arg_min"}) {
    expect_gpu_row_matches("arg_reduce_cuda", place_of(which, crowded({3, 301}), -1), 0);
    expect_gpu_row_matches("arg_reduce_cuda", place_of(which, crowded({3, 41, 5}), 1, true), 0);
  }
  Tensor x = random_tensor(1, {2, 300});
  for (float& value : x.mutable_data<float>()) value = std::round(value * 2);
  expect_gpu_row_matches("arg_reduce_cuda", place_of("arg_min", x, 1, true), 0);
  expect_gpu_row_matches("arg_reduce_cuda", place_of("arg_max", Tensor::of_i64(std::vector<int64_t>{-5, 3, 3, -9}), 0),
                         0);
}

TEST(ArgReduceCuda, Refuses) {
  EXPECT_EQ(gpu_refusal_of("arg_reduce_cuda", best(crowded({2, 30}), 3)), "topk finds no place");
}

}  // namespace
}  // namespace mj
