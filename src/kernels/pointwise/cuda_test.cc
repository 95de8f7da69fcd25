// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/body_text.h"
#include "kernels/gpu_row_test_util.h"
#include "ops/gelu.h"

namespace mj {
namespace {

// All operators that take so many operands, each one output of a single kernel.
RowCase every_operator(int arity, DType dtype, const std::vector<Tensor>& inputs) {
  RowCase c;
  c.inputs = inputs;
  for (const Tensor& input : inputs) c.problem.epilogue.params.push_back(input.dtype());
  for (const OpInfo* info : all_ops()) {
    if (!info->pointwise || info->arity != arity || info->name == "cast") continue;
    Body alone;
    alone.params.assign(static_cast<size_t>(arity), dtype);
    std::vector<int> args;
    for (int i = 0; i < arity; ++i) args.push_back(i);
    const Op op = mj::op(info->name);
    std::vector<ValueInfo> operands;
    for (int i = 0; i < arity; ++i) operands.push_back(ValueInfo::of(Type::tensor(dtype, {})));
    if (!op.infer({info->name, operands, 1, nullptr}).ok()) continue;
    alone.append(op, args);
    if (body_refusal(alone)) continue;
    c.problem.epilogue.results.push_back(c.problem.epilogue.append(op, args));
    c.problem.outputs.emplace_back();
  }
  return c;
}

TEST(PointwiseCuda, EveryFloatOperator) {
  const RowCase unary = every_operator(1, DType::f32, {random_tensor(7, {3, 5})});
  EXPECT_GT(unary.problem.outputs.size(), 35u);
  expect_gpu_row_matches("pointwise_cuda", unary, 2e-6);
  const RowCase binary = every_operator(2, DType::f32, {random_tensor(8, {3, 5}), random_tensor(9, {3, 5})});
  EXPECT_GT(binary.problem.outputs.size(), 8u);
  expect_gpu_row_matches("pointwise_cuda", binary, 2e-6);
}

TEST(PointwiseCuda, EveryIntegerOperator) {
  const auto ints = [](std::vector<int64_t> values) { return Tensor::of_i64(values); };
  expect_gpu_row_matches("pointwise_cuda", every_operator(1, DType::i64, {ints({-3, 0, 7, 1LL << 40})}), 0);
  const std::vector<Tensor> two = {ints({-3, 0, 7, 1LL << 40}), ints({5, 0, -7, 2})};
  expect_gpu_row_matches("pointwise_cuda", every_operator(2, DType::i64, two), 0);
}

TEST(PointwiseCuda, CastsBetweenAllTypes) {
  const Tensor x = Tensor::of<float>({9}, std::array{-1e30f, -300.7f, -1.5f, -0.0f, 0.4f, 2.5f, 250.0f, 70000.0f, NAN});
  for (DType to : {DType::f16, DType::bf16, DType::f64, DType::i8, DType::u8, DType::i16, DType::u16, DType::i32,
                   DType::u32, DType::i64, DType::boolean}) {
    RowCase c;
    c.problem.op = op("cast", {{0, "to", to}});
    c.inputs = {x};
    expect_gpu_row_matches("pointwise_cuda", c, 0);
  }
}

TEST(PointwiseCuda, OperandsBroadcastAndNarrowIntegersWrap) {
  RowCase c;
  c.problem.op = op("add");
  c.inputs = {random_tensor(1, {2, 1, 7, 3}), random_tensor(2, {5, 1, 3})};
  expect_gpu_row_matches("pointwise_cuda", c, 1e-6);
  c.inputs = {Tensor::of<uint8_t>({3}, std::array<uint8_t, 3>{250, 3, 128}),
              Tensor::of<uint8_t>({1}, std::array<uint8_t, 1>{9})};
  expect_gpu_row_matches("pointwise_cuda", c, 0);
}

// (x + y) * z, and x: with operands that lie under the result in every way.
RowCase two_results(std::vector<Tensor> inputs) {
  RowCase c;
  c.inputs = std::move(inputs);
  Body& body = c.problem.epilogue;
  body.params.assign(3, DType::f32);
  const int sum = body.append(op("add"), {0, 1});
  body.results = {body.append(op("mul"), {sum, 2}), sum};
  c.problem.outputs.resize(2);
  return c;
}

TEST(PointwiseCuda, NeighboursAtOnce) {
  const Tensor x = random_tensor(1, {6, 4, 16});
  for (const std::vector<int64_t>& dims :
       std::vector<std::vector<int64_t>>{{6, 4, 16}, {16}, {4, 1}, {6, 1, 1}, {1}, {6, 1, 16}, {4, 16}}) {
    const RowCase c = two_results({x, random_tensor(2, dims), random_tensor(3, {6, 1, 16})});
    expect_gpu_row_matches("pointwise_cuda", c, 1e-6);
    expect_narrow_gpu_row_matches("pointwise_cuda", c, 1e-6);
  }
  // Rows of 12 and of 7 are not of 8; 5 x 3 is not of 2.
  for (const auto& [dims, row] : {std::pair<std::vector<int64_t>, int64_t>{{2, 12}, 12}, {{8, 7}, 7}, {{5, 3}, 3}}) {
    const RowCase c = two_results({random_tensor(1, dims), random_tensor(2, {row}), random_tensor(3, {dims[0], 1})});
    expect_gpu_row_matches("pointwise_cuda", c, 1e-6);
    expect_narrow_gpu_row_matches("pointwise_cuda", c, 1e-6);
  }
}

// Where results have 16 bits, activations may be shorter.
TEST(PointwiseCuda, ShortActivations) {
  for (const Op& activation : {op("sigmoid"), op("silu"), Op(Gelu{}), Op(Gelu{"tanh"})}) {
    RowCase c;
    c.inputs = {Tensor::zeros(DType::f32, {1200})};
    for (size_t i = 0; i < 1200; ++i) c.inputs[0].mutable_data<float>()[i] = static_cast<float>(i) / 50.0f - 12.0f;
    Body& body = c.problem.epilogue;
    body.params = {DType::f32};
    body.results = {body.append(activation, {0})};
    c.problem.outputs.resize(1);
    expect_narrow_gpu_row_matches("pointwise_cuda", c, 1e-4);
  }
}

TEST(PointwiseCuda, NeighboursOfSeveralTypes) {
  RowCase c;
  c.inputs = {random_tensor(1, {4, 8}), cast_to(random_tensor(2, {4, 8}), DType::f64),
              Tensor::zeros(DType::boolean, {4, 8})};
  for (size_t i = 0; i < 32; i += 3) c.inputs[2].mutable_data<bool>()[i] = true;
  Body& body = c.problem.epilogue;
  body.params = {DType::f32, DType::f64, DType::boolean};
  const int wide = body.append(op("cast", {{0, "to", DType::f64}}), {0});
  const int chosen = body.append(op("where"), {2, wide, 1});
  body.results = {chosen, body.append(op("greater"), {wide, 1}), body.append(op("cast", {{0, "to", DType::i8}}), {0})};
  c.problem.outputs.resize(3);
  expect_gpu_row_matches("pointwise_cuda", c, 1e-12);
}

TEST(PointwiseCuda, SaysWhyNot) {
  RowCase c;
  c.problem.op = op("div");
  c.inputs = {Tensor::of_i64(std::vector<int64_t>{6}), Tensor::of_i64(std::vector<int64_t>{2})};
  EXPECT_EQ(gpu_refusal_of("pointwise_cuda", c), "div of i64");
  c.problem.op = op("add");
  c.inputs = {Tensor::zeros(DType::f8e4m3, {2}), Tensor::zeros(DType::f8e4m3, {2})};
  EXPECT_NE(gpu_refusal_of("pointwise_cuda", c), "takes it");
}

}  // namespace
}  // namespace mj
