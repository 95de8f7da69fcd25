// SPDX-License-Identifier: Apache-2.0
#include "kernels/gpu_row_test_util.h"
#include "ops/recurrent.h"

namespace mj {
namespace {

constexpr const char* kRow = "lstm_cuda_f32";
constexpr int64_t kSteps = 4, kBatch = 3;

RowCase lstm(const std::string& direction, int64_t layout, bool optional, int64_t inputs = 5, int64_t hidden = 19) {
  Lstm op;
  op.direction = direction;
  op.layout = layout;
  op.hidden_size = hidden;
  const int64_t d = op.directions();
  const std::vector<int64_t> state =
      layout == 0 ? std::vector<int64_t>{d, kBatch, hidden} : std::vector<int64_t>{kBatch, d, hidden};
  RowCase c;
  c.inputs = {random_tensor(1, layout == 0 ? std::vector<int64_t>{kSteps, kBatch, inputs}
                                           : std::vector<int64_t>{kBatch, kSteps, inputs}),
              random_tensor(2, {d, 4 * hidden, inputs}), random_tensor(3, {d, 4 * hidden, hidden})};
  c.constant = {false, true, true, true, false, false, false, true};
  if (optional) {
    const int32_t lengths[] = {4, 2, 0};
    c.inputs.push_back(random_tensor(4, {d, 8 * hidden}));
    c.inputs.push_back(Tensor::of<int32_t>({kBatch}, lengths));
    c.inputs.push_back(random_tensor(5, state));
    c.inputs.push_back(random_tensor(6, state));
  }
  c.problem.op = op;
  c.problem.outputs.resize(3);
  return c;
}

TEST(LstmCuda, EveryDirectionAndLayout) {
  for (const char* direction : {"forward", "reverse", "bidirectional"}) {
    for (int64_t layout : {0, 1}) {
      for (bool optional : {false, true}) expect_gpu_row_matches(kRow, lstm(direction, layout, optional), 1e-5);
    }
  }
}

TEST(LstmCuda, SmallAndLargeStates) {
  expect_gpu_row_matches(kRow, lstm("forward", 0, true, 1, 1), 1e-5);
  expect_gpu_row_matches(kRow, lstm("forward", 0, false, 8, 1031), 1e-4);
}

TEST(LstmCuda, FewerOutputs) {
  RowCase c = lstm("bidirectional", 0, true);
  c.problem.outputs.resize(1);
  expect_gpu_row_matches(kRow, c, 1e-5);
}

TEST(LstmCuda, SaysWhyNot) {
  RowCase c = lstm("forward", 0, true);
  EXPECT_EQ(gpu_refusal_of(kRow, c), "takes it");
  c.inputs.push_back(random_tensor(7, {1, 3 * 19}));
  EXPECT_EQ(gpu_refusal_of(kRow, c), "it has peepholes");
  c = lstm("forward", 0, false);
  c.constant = {};
  EXPECT_EQ(gpu_refusal_of(kRow, c), "its weights are not constant");
  Lstm clipped;
  clipped.clip = 3;
  c.problem.op = clipped;
  EXPECT_EQ(gpu_refusal_of(kRow, c), "it clips its gates");
}

RowCase gru(const std::string& direction, int64_t layout, bool inside, bool optional, int64_t hidden = 19) {
  RowCase c = lstm(direction, layout, optional);
  Gru op;
  op.direction = direction;
  op.layout = layout;
  op.hidden_size = hidden;
  op.linear_before_reset = inside;
  const int64_t d = op.directions(), inputs = c.inputs[0].dims()[2];
  c.inputs[1] = random_tensor(2, {d, 3 * hidden, inputs});
  c.inputs[2] = random_tensor(3, {d, 3 * hidden, hidden});
  if (optional) {
    c.inputs[3] = random_tensor(4, {d, 6 * hidden});
    c.inputs.resize(6);
  }
  c.problem.op = op;
  c.problem.outputs.resize(2);
  return c;
}

TEST(GruCuda, EveryDirectionAndLayout) {
  expect_gpu_row_matches("gru_cuda_f32", gru("forward", 0, false, false), 1e-5);
  expect_gpu_row_matches("gru_cuda_f32", gru("reverse", 1, true, true), 1e-5);
  expect_gpu_row_matches("gru_cuda_f32", gru("bidirectional", 0, false, true), 1e-5);
  RowCase c = gru("bidirectional", 1, true, false);
  c.problem.outputs.resize(1);
  expect_gpu_row_matches("gru_cuda_f32", c, 1e-5);
}

TEST(GruCuda, SmallAndLargeStates) {
  expect_gpu_row_matches("gru_cuda_f32", gru("forward", 0, false, false, 1), 1e-5);
  expect_gpu_row_matches("gru_cuda_f32", gru("forward", 0, true, false, 1030), 1e-4);
}

TEST(GruCuda, SaysWhyNot) {
  RowCase c = gru("forward", 0, false, true);
  EXPECT_EQ(gpu_refusal_of("gru_cuda_f32", c), "takes it");
  EXPECT_EQ(gpu_refusal_of("gru_cuda_f32", lstm("forward", 0, true)), "not a GRU");
  c.constant = {};
  EXPECT_EQ(gpu_refusal_of("gru_cuda_f32", c), "its weights are not constant");
  Gru other;
  other.activations = {"Sigmoid", "Relu"};
  c.problem.op = other;
  EXPECT_EQ(gpu_refusal_of("gru_cuda_f32", c), "its activations are not sigmoid, tanh");
}

}  // namespace
}  // namespace mj
