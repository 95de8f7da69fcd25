// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "kernels/row_test_util.h"
#include "ops/cast.h"
#include "ops/clip.h"
#include "ops/gelu.h"

namespace mj {
namespace {

Problem of_body(Body body) {
  Problem problem;
  problem.outputs.resize(body.results.size());
  problem.epilogue = std::move(body);
  return problem;
}

TEST(Pointwise, BroadcastsAsNumPyDoes) {
  const std::vector<int64_t> shapes[][2] = {{{}, {}},
                                            {{7}, {1}},
                                            {{0, 3}, {3}},
                                            {{2, 3, 5}, {3, 1}},
                                            {{1, 768}, {128, 1}},
                                            {{4, 1, 3}, {1, 700, 3}},
                                            {{2, 13, 11, 17}, {13, 1, 1}},
                                            {{31, 3072}, {3072}}};
  for (const auto& s : shapes) {
    Body body;
    body.params = {DType::f32, DType::f32};
    const int sum = body.append(op("add"), {0, 1});
    const int activated = body.append(Gelu{}, {sum});
    body.results = {body.append(op("mul"), {activated, 1}), body.append(op("relu"), {sum})};
    expect_row_matches("pointwise_f32", {of_body(body), {random_tensor(1, s[0]), random_tensor(2, s[1])}, {}}, 1e-6);
  }
}

TEST(Pointwise, TakesASingleOperatorAndItsEpilogue) {
  Problem problem;
  problem.op = op("sub");
  problem.anchor_inputs = 2;
  const std::vector<Tensor> inputs = {random_tensor(1, {5, 33}), random_tensor(2, {33}), random_tensor(3, {5, 1})};
  expect_row_matches("pointwise_f32", {problem, {inputs[0], inputs[1]}, {}}, 0);
  problem.epilogue.params = {DType::f32, DType::f32};
  const int product = problem.epilogue.append(op("mul"), {1, 0});
  problem.epilogue.results = {problem.epilogue.append(Clip{-0.25f, 0.5f}, {product})};
  expect_row_matches("pointwise_f32", {problem, inputs, {}}, 0);
}

TEST(Pointwise, MakesMasksOfIntegers) {
  Body body;
  body.params = {DType::i64, DType::f32};
  const int mask = body.append(Cast{DType::f32}, {0});
  const int zero = body.append(op("sub"), {mask, mask});
  const int visible = body.append(op("greater"), {mask, zero});
  body.results = {body.append(op("where"), {visible, 1, mask})};
  const std::vector<int64_t> flags = {1, 0, 1, 1, 0};
  expect_row_matches("pointwise_f32", {of_body(body), {Tensor::of_i64(flags), random_tensor(1, {3, 5})}, {}}, 0);
}

TEST(Pointwise, LargeTensorsAreTheSameOnAnyNumberOfThreads) {
  Body body;
  body.params = {DType::f32, DType::f32};
  body.results = {body.append(op("tanh"), {body.append(op("add"), {0, 1})})};
  expect_row_matches("pointwise_f32", {of_body(body), {random_tensor(1, {64, 3001}), random_tensor(2, {3001})}, {}},
                     1e-6);
}

TEST(Pointwise, RefusesIntegerMaths) {
  Problem problem;
  problem.op = op("add");
  const std::vector<int64_t> numbers = {1, 2};
  EXPECT_EQ(refusal_of("pointwise_f32", {problem, {Tensor::of_i64(numbers), Tensor::of_i64(numbers)}, {}}),
            "add gives i64; tiles hold f32 and bool");
}

}  // namespace
}  // namespace mj
