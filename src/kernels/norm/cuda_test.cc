// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "kernels/gpu_row_test_util.h"
#include "kernels/norm/cases_test_util.h"
#include "ops/batch_norm.h"
#include "ops/group_norm.h"
#include "ops/layer_norm.h"

namespace mj {
namespace {

using Dims = std::vector<int64_t>;

Tensor cast(const Tensor& x, DType dtype) { return (*evaluate(op("cast", {{0, "to", dtype}}), std::array{x}))[0]; }

TEST(NormCuda, LayerAndRmsNormOfRows) {
  for (const Dims& dims : {Dims{1, 1}, Dims{17, 7}, Dims{2, 768}, Dims{0, 8}, Dims{2, 5003}}) {
    const Dims row = {dims.back()};
    expect_gpu_row_matches("line_norm_cuda",
                           problem_of(LayerNorm{}, {shifted(1, dims), random_tensor(2, row), random_tensor(3, row)}),
                           2e-5);
    expect_gpu_row_matches("line_norm_cuda", problem_of(RmsNorm{}, {shifted(1, dims), random_tensor(2, row)}), 2e-6);
  }
}

TEST(NormCuda, ScalesOfAnyShape) {
  const Tensor x = shifted(1, {3, 5, 11});
  expect_gpu_row_matches("line_norm_cuda", problem_of(LayerNorm{1, 1e-3f}, {x, random_tensor(2, {5, 11})}), 2e-5);
  expect_gpu_row_matches("line_norm_cuda",
                         problem_of(LayerNorm{0, 1e-3f}, {x, random_tensor(2, {3, 1, 11}), random_tensor(3, {1})}),
                         2e-5);
  expect_gpu_row_matches("line_norm_cuda", problem_of(RmsNorm{-1, 0.5f}, {x, random_tensor(2, {5, 1})}), 2e-5);
}

TEST(NormCuda, InstanceAndGroupNorm) {
  for (const Dims& dims : {Dims{1, 6, 1}, Dims{2, 6, 9, 13}, Dims{0, 6, 4}}) {
    const Tensor x = shifted(1, dims), scale = random_tensor(2, {6}), bias = random_tensor(3, {6});
    expect_gpu_row_matches("line_norm_cuda", problem_of(InstanceNorm{}, {x, scale, bias}), 2e-5);
    expect_gpu_row_matches("line_norm_cuda", problem_of(GroupNorm{3}, {x, scale, bias}), 2e-5);
  }
}

TEST(NormCuda, ChannelsLast) {
  for (const Dims& dims : {Dims{2, 9, 13, 6}, Dims{1, 0, 6}, Dims{2, 301, 34}}) {
    const int64_t channels = dims.back();
    const Tensor x = shifted(1, dims), scale = random_tensor(2, {channels}), bias = random_tensor(3, {channels});
    expect_gpu_row_matches("line_norm_cuda", problem_of(InstanceNorm{1e-5f, true}, {x, scale, bias}), 2e-5);
    expect_gpu_row_matches("line_norm_cuda", problem_of(GroupNorm{2, 1e-5f, true}, {x, scale, bias}), 2e-5);
  }
}

TEST(NormCuda, BatchNorm) {
  for (const Dims& dims : {Dims{2, 5}, Dims{3, 5, 17}, Dims{0, 5, 4}}) {
    Tensor variance = random_tensor(5, {5});
    for (float& v : variance.mutable_data<float>()) v = v * v + 0.1f;
    RowCase c = problem_of(
        BatchNorm{}, {shifted(1, dims), random_tensor(2, {5}), random_tensor(3, {5}), random_tensor(4, {5}), variance});
    expect_gpu_row_matches("batch_norm_cuda", c, 1e-5);
    add_epilogue(c, {random_tensor(6, dims)}, op("relu"));
    expect_gpu_row_matches("batch_norm_cuda", c, 1e-5);
  }
}

TEST(NormCuda, HalfInputsWithFloatScales) {
  for (DType dtype : {DType::f16, DType::bf16, DType::f64}) {
    const Tensor x = cast(shifted(1, {3, 41}), dtype);
    const double tolerance = dtype == DType::f64 ? 1e-12 : 2e-2;
    expect_gpu_row_matches("line_norm_cuda",
                           problem_of(LayerNorm{}, {x, random_tensor(2, {41}), cast(random_tensor(3, {41}), dtype)}),
                           tolerance);
  }
}

// Lines of 8, 4 and 2 neighbours at once; in registers and not; of a warp and of a block.
TEST(NormCuda, LowerPrecision) {
  for (int64_t length : {8, 12, 30, 768, 5120}) {
    RowCase c =
        problem_of(LayerNorm{}, {shifted(1, {3, length}), random_tensor(2, {length}), random_tensor(3, {length})});
    expect_gpu_row_matches("line_norm_cuda", c, 2e-5);
    add_epilogue(c, {random_tensor(4, {3, length}), random_tensor(5, {3, 1})}, op("silu"));
    expect_narrow_gpu_row_matches("line_norm_cuda", c, 4e-5);
  }
  expect_narrow_gpu_row_matches("line_norm_cuda",
                                problem_of(RmsNorm{-2}, {shifted(1, {3, 4, 16}), random_tensor(2, {4, 1})}), 4e-5);
  for (const Dims& dims : {Dims{2, 6, 4, 4}, Dims{2, 6, 3, 3}, Dims{2, 6, 2, 2}}) {
    const Tensor x = shifted(1, dims), scale = random_tensor(2, {6}), bias = random_tensor(3, {6});
    expect_narrow_gpu_row_matches("line_norm_cuda", problem_of(GroupNorm{3}, {x, scale, bias}), 4e-5);
  }
  const Tensor scale = random_tensor(2, {32}), bias = random_tensor(3, {32});
  expect_narrow_gpu_row_matches("line_norm_cuda",
                                problem_of(GroupNorm{2, 1e-5f, true}, {shifted(1, {2, 3, 5, 32}), scale, bias}), 4e-5);
  expect_narrow_gpu_row_matches("line_norm_cuda",
                                problem_of(InstanceNorm{1e-5f, true}, {shifted(1, {2, 3, 5, 32}), scale, bias}), 4e-5);
}

TEST(NormCuda, NanStaysInItsRow) {
  Tensor x = shifted(1, {3, 19});
  x.mutable_data<float>()[20] = NAN;
  x.mutable_data<float>()[40] = INFINITY;
  expect_gpu_row_matches("line_norm_cuda", problem_of(LayerNorm{}, {x, random_tensor(2, {19})}), 2e-5);
}

TEST(NormCuda, AppliesAnEpilogueOfSeveralResults) {
  RowCase c = problem_of(LayerNorm{}, {random_tensor(1, {6, 40}), random_tensor(2, {40}), random_tensor(3, {40})});
  c.problem.anchor_inputs = 3;
  c.problem.epilogue.params = {DType::f32, DType::f32};
  const int sum = c.problem.epilogue.append(op("add"), {0, 1});
  c.problem.epilogue.results = {c.problem.epilogue.append(op("relu"), {sum}), 0};
  c.problem.outputs.resize(2);
  c.inputs.push_back(random_tensor(4, {6, 40}));
  expect_gpu_row_matches("line_norm_cuda", c, 2e-5);
}

TEST(NormCuda, Refuses) {
  const Tensor x = random_tensor(1, {2, 3}), c = random_tensor(1, {3});
  EXPECT_EQ(gpu_refusal_of("line_norm_cuda", problem_of(BatchNorm{}, {x, c, c, c, c})), "the statistics are given");
  EXPECT_EQ(gpu_refusal_of("batch_norm_cuda", problem_of(LayerNorm{}, {x, c})), "layer_norm is not batch_norm");
}

}  // namespace
}  // namespace mj
