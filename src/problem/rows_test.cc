// SPDX-License-Identifier: Apache-2.0
#include "problem/rows.h"

#include <gtest/gtest.h>

#include <cstring>

namespace mj {
namespace {

using Dims = std::vector<int64_t>;

constexpr int64_t kRows = 3;

// `split` ones have rows; a constant's elements are given.
struct Input {
  Dims dims;
  bool split = false;
  std::optional<Tensor> value;
  bool absent = false;
};
Input rows(Dims dims) {
  dims.insert(dims.begin(), kRows);
  return {dims, true, std::nullopt, false};
}
Input whole(Dims dims) { return {std::move(dims), false, std::nullopt, false}; }
Input constant(Tensor value) { return {value.dims(), false, value, false}; }
Input absent() { return {{}, false, std::nullopt, true}; }

struct Case {
  Op op;
  std::vector<Input> inputs;
};

Tensor made(const Input& input, int seed) {
  if (input.absent) return {};
  if (input.value) return *input.value;
  Tensor tensor = Tensor::zeros(DType::f32, input.dims);
  int state = seed;
  for (float& x : tensor.mutable_data<float>())
    x = static_cast<float>((state = (state * 37 + 11) % 101)) / 50.0f - 1.0f;
  return tensor;
}

Tensor row_of(const Tensor& tensor, int64_t row) {
  Dims dims = tensor.dims();
  dims[0] = 1;
  const auto* data = static_cast<const std::byte*>(tensor.raw()) + row * tensor.bytes() / kRows;
  return Tensor::view(tensor.dtype(), dims, data, nullptr);
}

std::vector<Tensor> tensors(const Case& c) {
  std::vector<Tensor> out;
  for (const Input& input : c.inputs) out.push_back(made(input, 7 + static_cast<int>(out.size())));
  return out;
}

Shape shape_of(const Dims& dims, bool has_rows) {
  Shape shape(dims.begin(), dims.end());
  if (has_rows) shape[0] = Dim::symbol("N");
  return shape;
}

// What row_wise() says of it.
bool answer(const Case& c) {
  Problem problem;
  problem.op = c.op;
  problem.anchor_inputs = static_cast<int>(c.inputs.size());
  std::vector<bool> split;
  for (const Input& input : c.inputs) {
    problem.inputs.push_back({input.absent ? DType::none : DType::f32, shape_of(input.dims, input.split)});
    split.push_back(input.split);
  }
  const auto results = evaluate(c.op, tensors(c));
  EXPECT_TRUE(results.ok()) << to_string(c.op) << ": " << results.error().message;
  if (results.ok()) problem.outputs.push_back({DType::f32, shape_of((*results)[0].dims(), true)});
  return results.ok() && row_wise(problem, split);
}

NamedField axis(int64_t value) { return {0, "axis", value}; }

TEST(Rows, WhatIsCalledRowWiseGivesTheSameRowByRow) {
  const Tensor index = Tensor::of_i64(Dims{1, 0, 1});
  const Tensor scales = Tensor::of<float>({4}, std::vector<float>{1, 1, 2, 2});
  const std::vector<Case> cases = {
      {op("relu"), {rows({4})}},
      {op("cast", {{0, "to", DType::f64}}), {rows({4})}},
      {op("add"), {rows({2, 4}), whole({4})}},
      {op("add"), {whole({1, 2, 4}), rows({2, 4})}},
      {op("conv"), {rows({2, 5, 5}), whole({3, 2, 3, 3}), whole({3})}},
      {op("conv_transpose"), {rows({2, 5, 5}), whole({2, 3, 3, 3})}},
      {op("planar_conv"), {rows({3, 4, 4}), whole({8, 3, 1, 1})}},
      {op("scaled_conv"), {rows({2, 2, 4}), rows({1, 1, 4}), whole({3, 4, 1, 1})}},
      {op("scaled_conv"), {rows({2, 2, 4}), whole({1, 1, 1, 4}), whole({3, 4, 1, 1})}},
      {op("max_pool", {{0, "kernel_shape", Dims{2, 2}}}), {rows({2, 5, 5})}},
      {op("average_pool", {{0, "kernel_shape", Dims{2, 2}}}), {rows({2, 5, 5})}},
      {op("group_norm", {{0, "num_groups", int64_t{2}}}), {rows({4, 5}), whole({4}), whole({4})}},
      {op("instance_norm"), {rows({4, 5}), whole({4}), whole({4})}},
      {op("softmax", {axis(-1)}), {rows({2, 4})}},
      {op("log_softmax", {axis(1)}), {rows({2, 4})}},
      {op("layer_norm", {axis(-1)}), {rows({2, 4}), whole({4}), whole({4})}},
      {op("rms_norm", {axis(-1)}), {rows({2, 4}), whole({4})}},
      {op("reduce_mean", {{0, "axes", Dims{-1}}}), {rows({2, 4})}},
      {op("reduce_max", {{0, "axes", Dims{1, 2}}, {0, "keepdims", false}}), {rows({2, 4})}},
      {op("concat", {axis(-1)}), {rows({2, 4}), rows({2, 3})}},
      {op("split", {axis(1), {0, "num_outputs", int64_t{1}}}), {rows({4})}},
      {op("slice_to", {{0, "axes", Dims{1}},
                       {0, "starts", std::vector<std::string>{"1"}},
                       {0, "ends", std::vector<std::string>{"3"}},
                       {0, "steps", Dims{1}}}),
       {rows({4})}},
      {op("transpose", {{0, "perm", Dims{0, 2, 1}}}), {rows({2, 4})}},
      {op("gather", {axis(1)}), {rows({2, 4}), constant(index)}},
      {op("gather"), {whole({2, 4}), {{kRows}, true, index, false}}},
      {op("expand_to", {{0, "shape", std::vector<std::string>{"3", "2", "4"}}}), {whole({1, 1, 4})}},
      {op("rotary"), {rows({2, 4}), whole({2, 2}), whole({2, 2})}},
      {op("matmul"), {rows({4}), whole({4, 5})}},
      {op("matmul"), {rows({2, 4}), whole({4, 5})}},
      {op("matmul"), {rows({2, 4}), rows({4, 5})}},
      {op("matmul"), {rows({2, 4}), whole({1, 4, 5})}},
      {op("gemm", {{0, "transB", true}}), {rows({4}), whole({5, 4}), whole({5})}},
      {op("resize"), {rows({2, 4, 4}), absent(), constant(scales)}},
      {op("attention", {{0, "heads", int64_t{2}}}), {rows({3, 4}), rows({3, 4}), rows({3, 4}), rows({1, 1, 3})}},
      {op("attention", {{0, "heads", int64_t{2}}, {0, "layout", std::string("qkv")}}), {rows({3, 12})}},
  };
  for (const Case& c : cases) {
    EXPECT_TRUE(answer(c)) << to_string(c.op);
    const std::vector<Tensor> inputs = tensors(c);
    const Tensor together = evaluate(c.op, inputs).value()[0];
    if (c.op.is("expand_to")) continue;  // knows how many rows there are
    for (int64_t row = 0; row < kRows; ++row) {
      std::vector<Tensor> parts = inputs;
      for (size_t i = 0; i < parts.size(); ++i) {
        if (c.inputs[i].split) parts[i] = row_of(inputs[i], row);
      }
      const Tensor alone = evaluate(c.op, parts).value()[0];
      ASSERT_EQ(alone.bytes() * kRows, together.bytes()) << to_string(c.op);
      const auto* want = static_cast<const std::byte*>(together.raw()) + row * alone.bytes();
      EXPECT_EQ(std::memcmp(alone.raw(), want, static_cast<size_t>(alone.bytes())), 0) << to_string(c.op);
    }
  }
}

TEST(Rows, WhatMixesRowsIsNot) {
  const Tensor index = Tensor::of_i64(Dims{1, 0, 1});
  const std::vector<Case> cases = {
      {op("softmax", {axis(0)}), {rows({4})}},
      {op("softmax", {axis(-2)}), {rows({4})}},
      {op("layer_norm", {axis(0)}), {rows({4}), whole({4}), whole({4})}},
      {op("reduce_mean", {{0, "axes", Dims{0}}}), {rows({4})}},
      {op("reduce_mean"), {rows({4})}},  // all axes
      {op("concat", {axis(0)}), {rows({4}), rows({4})}},
      {op("transpose", {{0, "perm", Dims{1, 0}}}), {rows({4})}},
      {op("gather"), {rows({4}), constant(index)}},
      {op("matmul"), {whole({2, 3}), rows({4})}},
      {op("matmul"), {rows({3}), rows({4})}},
      {op("gemm", {{0, "transA", true}}), {rows({4}), whole({3, 5})}},
      {op("conv"), {whole({1, 2, 5, 5}), rows({2, 3, 3})}},
      {op("add"), {rows({4}), whole({kRows, 4})}},  // which row is which?
      {op("cum_sum"), {rows({4}), constant(Tensor::scalar(int64_t{0}))}},
  };
  for (const Case& c : cases) EXPECT_FALSE(answer(c)) << to_string(c.op);
}

TEST(Rows, ABodysInputsAreRowsOrSharedByAll) {
  Problem problem;
  problem.epilogue.params = {DType::f32, DType::f32};
  problem.epilogue.results = {problem.epilogue.append(op("add"), {0, 1})};
  const Dim n = Dim::symbol("N");
  problem.outputs = {{DType::f32, {n, Dim(4)}}};
  const auto with = [&](const Shape& second, bool split) {
    problem.inputs = {{DType::f32, {n, Dim(4)}}, {DType::f32, second}};
    return row_wise(problem, {true, split});
  };
  EXPECT_TRUE(with({n, Dim(4)}, true));
  EXPECT_TRUE(with({Dim(4)}, false));
  EXPECT_TRUE(with({Dim(1), Dim(4)}, false));
  EXPECT_FALSE(with({n}, true));  // stands where the columns are
  EXPECT_FALSE(with({Dim(3), Dim(4)}, false));
}

TEST(Rows, FieldsThatSpeakOfTheBatchAreFound) {
  Problem problem;
  problem.op = op("iota", {{0, "count", std::vector<std::string>{"2*N + 1"}}});
  EXPECT_TRUE(mentions(problem, "N"));
  EXPECT_FALSE(mentions(problem, "S"));
  problem.op = op("relu");
  EXPECT_FALSE(mentions(problem, "N"));
}

}  // namespace
}  // namespace mj
