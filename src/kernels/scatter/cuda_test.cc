// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "kernels/gpu_row_test_util.h"

namespace mj {
namespace {

Tensor ints(std::vector<int64_t> values, std::vector<int64_t> dims) {
  return Tensor::of_i64(values).reshaped(std::move(dims));
}

RowCase elements(const std::string& reduction, int64_t axis, Tensor data, Tensor indices, Tensor updates) {
  RowCase c;
  c.problem.op = op("scatter_elements", {{0, "axis", axis}, {0, "reduction", reduction}});
  c.inputs = {std::move(data), std::move(indices), std::move(updates)};
  return c;
}

RowCase slices(const std::string& reduction, Tensor data, Tensor indices, Tensor updates) {
  RowCase c;
  c.problem.op = op("scatter_nd", {{0, "reduction", reduction}});
  c.inputs = {std::move(data), std::move(indices), std::move(updates)};
  return c;
}

constexpr const char* kReductions[] = {"none", "add", "mul", "max", "min"};

// Several updates of one element, negative indices, and elements beyond those that indices speak of.
TEST(ScatterCuda, Elements) {
  const Tensor data = random_tensor(1, {4, 5, 3}), updates = random_tensor(2, {2, 6, 3});
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < 2 * 6 * 3; ++i) indices.push_back(i * 7 % 10 - 5);
  for (const char* reduction : kReductions) {
    expect_gpu_row_matches("scatter_cuda", elements(reduction, 1, data, ints(indices, {2, 6, 3}), updates), 1e-6);
  }
  expect_gpu_row_matches("scatter_cuda",
                         elements("add", 0, ints({1, 2, 3}, {3}), ints({2, -1, 0}, {3}), ints({5, 6, 7}, {3})), 0);
}

TEST(ScatterCuda, Slices) {
  const Tensor data = random_tensor(1, {4, 5, 3});
  for (const char* reduction : {"none", "add", "max"}) {
    expect_gpu_row_matches("scatter_cuda",
                           slices(reduction, data, ints({1, 2, -1, 0, 1, 2}, {3, 2}), random_tensor(2, {3, 3})), 1e-6);
  }
  expect_gpu_row_matches("scatter_cuda", slices("none", data, ints({3, 3}, {2, 1}), random_tensor(2, {2, 5, 3})), 0);
  expect_gpu_row_matches("scatter_cuda", slices("none", data, ints({}, {0, 1}), random_tensor(2, {0, 5, 3})), 0);
}

// Rounded after each update, as on the host.
TEST(ScatterCuda, LowerPrecision) {
  RowCase c = slices("add", random_tensor(1, {2, 3}), ints({1, 1, 0}, {3, 1}), random_tensor(2, {3, 3}));
  for (Tensor& input : c.inputs) {
    if (input.dtype() == DType::f32) input = cast_to(input, DType::f16);
  }
  expect_gpu_row_matches("scatter_cuda", c, 0);
  c = elements("none", 0, random_tensor(1, {3}), ints({1}, {1}), random_tensor(2, {1}));
  add_epilogue(c, {random_tensor(3, {3})}, op("relu"));
  expect_narrow_gpu_row_matches("scatter_cuda", c, 1e-6);
}

TEST(ScatterCuda, LeavesOutWhatLiesOutside) {
  if (!can_run_on_test_gpu()) GTEST_SKIP() << "there is no C++ compiler to emulate a GPU with";
  const Tensor data = random_tensor(1, {3}), updates = random_tensor(2, {2});
  for (const char* reduction : {"none", "add"}) {
    RowCase c = elements(reduction, 0, data, ints({1, -2}, {2}), updates);
    complete(c);
    c.inputs[1] = ints({3, -4}, {2});
    expect_config_matches("scatter_cuda", c, "", {data}, 0);
  }
}

TEST(ScatterCuda, Refuses) {
  RowCase c = slices("none", random_tensor(1, {3}), ints({0}, {1, 1}), random_tensor(2, {1}));
  EXPECT_EQ(gpu_refusal_of("scatter_cuda", c), "takes it");
  c.inputs[0] = cast_to(c.inputs[0], DType::f8e4m3);
  c.inputs[2] = cast_to(c.inputs[2], DType::f8e4m3);
  EXPECT_EQ(gpu_refusal_of("scatter_cuda", c), "elements of f8e4m3");
}

}  // namespace
}  // namespace mj
