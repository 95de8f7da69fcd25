// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/vector_text.h"

#include <gtest/gtest.h>

namespace mj {
namespace {

// x + y of one type, the result of x's shape.
Problem sum(DType dtype, Shape x, Shape y) {
  Problem problem;
  problem.epilogue.params = {dtype, dtype};
  problem.epilogue.results = {problem.epilogue.append(op("add"), {0, 1})};
  problem.inputs = {{dtype, x}, {dtype, std::move(y)}};
  problem.outputs = {{dtype, std::move(x)}};
  return problem;
}

TEST(VectorText, TakesSixteenBytesOfTheNarrowest) {
  EXPECT_EQ(vector_width(sum(DType::f16, {3, 16}, {16})), 8);
  EXPECT_EQ(vector_width(sum(DType::f16, {3, 16}, {16}), 4), 4);
  EXPECT_EQ(vector_width(sum(DType::f32, {3, 16}, {16})), 4);
  EXPECT_EQ(vector_width(sum(DType::f64, {3, 16}, {16})), 2);
  EXPECT_EQ(vector_width(sum(DType::u8, {3, 16}, {16})), 8);
  Problem widened = sum(DType::f32, {3, 16}, {16});
  widened.inputs[0].dtype = DType::bf16;
  EXPECT_EQ(vector_width(widened), 8);
}

TEST(VectorText, WidthDividesTheElements) {
  EXPECT_EQ(vector_width(sum(DType::f16, {3, 12}, {12})), 4);
  EXPECT_EQ(vector_width(sum(DType::f16, {5, 3}, {3})), 1);
  const Dim n = Dim::symbol("N");
  EXPECT_EQ(vector_width(sum(DType::f16, {n, 64}, {64})), 8);
  EXPECT_EQ(vector_width(sum(DType::f16, {64, n}, {n})), 8);
  EXPECT_EQ(vector_width(sum(DType::f16, {n, n}, {n})), 1);
}

TEST(VectorText, PrefersOperandsThatLieRegularly) {
  EXPECT_EQ(vector_width(sum(DType::f16, {8, 12}, {12})), 4);
  EXPECT_EQ(vector_width(sum(DType::f16, {8, 12}, {8, 1})), 4);
  EXPECT_EQ(vector_width(sum(DType::f16, {8, 12}, {1})), 8);
  EXPECT_EQ(vector_width(sum(DType::f16, {8, 7}, {8, 1})), 8);
}

TEST(VectorText, KeepsWhatItLoadsInRegisters) {
  Problem problem = sum(DType::f16, {64}, {64});
  while (problem.inputs.size() < 12) problem.inputs.push_back(problem.inputs[0]);
  EXPECT_EQ(vector_width(problem), 4);
}

TEST(VectorText, RoundsOnce) {
  Problem problem = sum(DType::f32, {16}, {16});
  Body& body = problem.epilogue;
  body.results = {body.append(op("cast", {{0, "to", DType::f16}}), {2})};
  problem.outputs[0].dtype = DType::f16;
  KernelText kernel("k", problem);
  const std::string text = vector_body_text(kernel, body, "", 0, "i", 8);
  EXPECT_NE(text.find("vout0[ve] = v2;"), std::string::npos) << text;
  EXPECT_NE(text.find("store_f16<8>(out0 + i, vout0);"), std::string::npos) << text;
}

TEST(VectorText, ApproximatesSigmoidsOnlyForSixteenBits) {
  const std::vector<std::string> x = {"x"};
  for (const char* name : {"sigmoid", "silu"}) {
    Body body;
    body.params = {DType::f16};
    const int wide = body.append(op("cast", {{0, "to", DType::f32}}), {0});
    body.results = {body.append(op(name), {wide})};
    EXPECT_EQ(body_text(body, x).lines.find("short_sigmoid"), std::string::npos) << name;
    const int narrow = body.append(op("cast", {{0, "to", DType::f16}}), {body.results[0]});
    body.results.push_back(narrow);  // one of two is f32 still
    EXPECT_EQ(body_text(body, x).lines.find("short_sigmoid"), std::string::npos) << name;
    body.results = {narrow};
    EXPECT_NE(body_text(body, x).lines.find("short_sigmoid"), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace mj
