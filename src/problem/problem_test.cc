// SPDX-License-Identifier: Apache-2.0
#include "problem/problem.h"

#include <gtest/gtest.h>

#include "problem/target.h"

namespace mj {
namespace {

Body relu_of_sum() {
  Body body;
  body.params = {DType::f32, DType::f32};
  const int sum = body.append(op("add"), {0, 1});
  body.results = {body.append(op("relu"), {sum})};
  return body;
}

Problem matmul(const std::string& batch) {
  const Dim n = Dim::symbol(batch);
  Problem problem;
  problem.op = op("matmul");
  problem.anchor_inputs = 2;
  problem.inputs = {{DType::f32, {n, Dim(4)}, false}, {DType::f32, {Dim(4), n}, true}, {}};
  problem.outputs = {{DType::f32, {n, n}, false}};
  return problem;
}

TEST(Body, PrintsVerifiesAndEvaluates) {
  const Body body = relu_of_sum();
  EXPECT_EQ(to_string(body), "(%0: f32, %1: f32) { %2 = add(%0, %1); %3 = relu(%2); return %3 }");
  EXPECT_EQ(verify(body), "");
  EXPECT_EQ(body.values(), 4);
  const std::vector<Tensor> params = {Tensor::scalar(1.0f), Tensor::scalar(-3.0f)};
  EXPECT_EQ(evaluate(body, params).value()[0].data<float>()[0], 0.0f);
}

TEST(Body, VerifyNamesWhatIsBroken) {
  Body body = relu_of_sum();
  body.instructions[1].args = {3};
  EXPECT_EQ(verify(body), "%3: argument %3 is not earlier");
  body.instructions[1].args = {1, 1};
  EXPECT_EQ(verify(body), "%3: relu takes 1 arguments, has 2");
  body.instructions[1] = {op("softmax"), {2}, DType::f32};
  EXPECT_EQ(verify(body), "%3: softmax is not pointwise");
  body = relu_of_sum();
  body.results = {4};
  EXPECT_EQ(verify(body), "result %4 does not exist");
}

TEST(Problem, TextAndHashDoNotDependOnTheNamesOfSymbols) {
  EXPECT_EQ(to_string(matmul("N")), to_string(matmul("batch")));
  EXPECT_EQ(hash(matmul("N")), hash(matmul("batch")));
  Problem other = matmul("N");
  other.inputs[0].shape[0] = Dim::symbol("M");
  EXPECT_NE(to_string(other), to_string(matmul("N")));
  EXPECT_NE(to_string(matmul("N")).find(", _)"), std::string::npos) << to_string(matmul("N"));
}

TEST(Problem, SaysWhatItsProductsAreRoundedTo) {
  Problem rounded = matmul("N");
  rounded.products = DType::bf16;
  EXPECT_EQ(to_string(rounded), to_string(matmul("N")) + " products in bf16");
  EXPECT_NE(hash(rounded), hash(matmul("N")));
}

TEST(Problem, TheAnchorDecidesTheFamily) {
  EXPECT_EQ(family(matmul("N")), "gemm");
  Problem problem;
  EXPECT_EQ(family(problem), "pointwise");
  problem.op = op("relu");
  EXPECT_EQ(family(problem), "pointwise");
  problem.op = op("reduce_sum");
  EXPECT_EQ(family(problem), "reduce");
  problem.op = op("topk");
  EXPECT_EQ(family(problem), "topk");
}

TEST(Target, ParsesWhatItPrints) {
  Target here;
  here.isa = Isa::avx2;
  here.threads = 3;
  EXPECT_EQ(parse_target("cpu", here).value(), here);
  const Target other = parse_target("cpu-avx512", here).value();
  EXPECT_EQ(other.name(), "cpu-avx512");
  EXPECT_EQ(other.threads, 3);
  EXPECT_EQ(parse_target("tpu", here).error().code, ErrorCode::usage);
}

}  // namespace
}  // namespace mj
