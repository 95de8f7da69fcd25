// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "kernels/norm/cases_test_util.h"
#include "kernels/row_test_util.h"
#include "ops/batch_norm.h"
#include "ops/group_norm.h"
#include "ops/layer_norm.h"

namespace mj {
namespace {

using Dims = std::vector<int64_t>;

TEST(NormRow, LayerNormOverTheLastAxes) {
  for (const Dims& dims : {Dims{1, 1}, Dims{3, 7}, Dims{17, 768}, Dims{2, 5, 33}, Dims{0, 8}, Dims{64, 129}}) {
    const Dims row = {dims.back()};
    expect_row_matches("row_norm_f32",
                       problem_of(LayerNorm{}, {shifted(1, dims), random_tensor(2, row), random_tensor(3, row)}), 2e-5);
    expect_row_matches("row_norm_f32", problem_of(LayerNorm{}, {shifted(1, dims), random_tensor(2, row)}), 2e-5);
    expect_row_matches("row_norm_f32", problem_of(RmsNorm{}, {shifted(1, dims), random_tensor(2, row)}), 2e-6);
  }
  expect_row_matches("row_norm_f32",
                     problem_of(LayerNorm{1, 1e-3f}, {shifted(1, {3, 5, 11}), random_tensor(2, {5, 11})}), 2e-5);
}

TEST(NormRow, LayerNormAppliesAnEpilogueWithAResidual) {
  RowCase c = problem_of(LayerNorm{}, {random_tensor(1, {6, 40}), random_tensor(2, {40}), random_tensor(3, {40})});
  c.problem.anchor_inputs = 3;
  c.problem.epilogue.params = {DType::f32, DType::f32};
  const int sum = c.problem.epilogue.append(op("add"), {0, 1});
  c.problem.epilogue.results = {c.problem.epilogue.append(op("relu"), {sum}), 0};
  c.problem.outputs.resize(2);
  c.inputs.push_back(random_tensor(4, {6, 40}));
  expect_row_matches("row_norm_f32", c, 2e-5);
}

TEST(NormRow, RefusesAScaleForEachRow) {
  EXPECT_EQ(refusal_of("row_norm_f32", problem_of(LayerNorm{}, {random_tensor(1, {4, 6}), random_tensor(2, {4, 1})})),
            "input 1 has not one number for each element of a row");
}

TEST(ChannelNormRow, BatchInstanceAndGroupNorm) {
  for (const Dims& dims : {Dims{2, 6}, Dims{1, 6, 1}, Dims{3, 6, 17}, Dims{2, 6, 9, 13}, Dims{0, 6, 4}}) {
    const Tensor x = shifted(1, dims), scale = random_tensor(2, {6}), bias = random_tensor(3, {6});
    Tensor variance = random_tensor(5, {6});
    for (float& v : variance.mutable_data<float>()) v = v * v + 0.1f;
    expect_row_matches("channel_norm_f32", problem_of(BatchNorm{}, {x, scale, bias, random_tensor(4, {6}), variance}),
                       1e-5);
    if (dims.size() < 3) continue;
    expect_row_matches("channel_norm_f32", problem_of(InstanceNorm{}, {x, scale, bias}), 2e-5);
    expect_row_matches("channel_norm_f32", problem_of(GroupNorm{3}, {x, scale, bias}), 2e-5);
    expect_row_matches("channel_norm_f32", problem_of(GroupNorm{1}, {x, scale, bias}), 2e-5);
  }
}

TEST(ChannelNormRow, ChannelsLast) {
  for (const Dims& dims : {Dims{2, 1, 6}, Dims{1, 1, 6}, Dims{3, 17, 6}, Dims{2, 9, 13, 6}, Dims{0, 4, 6},
                           Dims{1, 0, 6}, Dims{2, 301, 130}}) {
    const int64_t channels = dims.back();
    const Tensor x = shifted(1, dims), scale = random_tensor(2, {channels}), bias = random_tensor(3, {channels});
    expect_row_matches("channel_norm_f32", problem_of(InstanceNorm{1e-5f, true}, {x, scale, bias}), 2e-5);
    expect_row_matches("channel_norm_f32", problem_of(GroupNorm{2, 1e-5f, true}, {x, scale, bias}), 2e-5);
    expect_row_matches("channel_norm_f32", problem_of(GroupNorm{1, 1e-5f, true}, {x, scale, bias}), 2e-5);
  }
}

TEST(ChannelNormRow, ChannelsLastAppliesAnEpilogue) {
  RowCase c = problem_of(InstanceNorm{1e-5f, true},
                         {random_tensor(1, {2, 700, 20}), random_tensor(2, {20}), random_tensor(3, {20})});
  c.problem.anchor_inputs = 3;
  c.problem.epilogue.params = {DType::f32, DType::f32};
  c.problem.epilogue.results = {c.problem.epilogue.append(op("mul"), {0, 1})};
  c.problem.outputs.resize(1);
  c.inputs.push_back(random_tensor(4, {2, 1, 20}));
  expect_row_matches("channel_norm_f32", c, 2e-5);
}

}  // namespace
}  // namespace mj
