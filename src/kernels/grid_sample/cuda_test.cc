// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "kernels/gpu_row_test_util.h"

namespace mj {
namespace {

RowCase sampled(std::string mode, std::string padding, bool align, std::vector<int64_t> x, std::vector<int64_t> grid) {
  RowCase c;
  c.problem.op =
      op("grid_sample",
         {{0, "mode", std::move(mode)}, {0, "padding_mode", std::move(padding)}, {0, "align_corners", align}});
  Tensor places = random_tensor(2, std::move(grid));
  for (float& place : places.mutable_data<float>()) place *= 1.7f;  // some outside
  c.inputs = {random_tensor(1, std::move(x)), std::move(places)};
  return c;
}

TEST(GridSampleCuda, EveryModeAndPadding) {
  bool align = false;
  for (const char* mode : {"linear", "nearest", "cubic"}) {
    for (const char* padding : {"zeros", "border", "reflection"}) {
      RowCase c = sampled(mode, padding, align, {2, 3, 5, 7}, {2, 4, 6, 2});
      const std::span<float> places = c.inputs[1].mutable_data<float>();
      places[0] = NAN, places[3] = INFINITY, places[4] = -3e38f, places[6] = -1, places[8] = 1;
      c.constant = {true, true};  // known lengths; below, symbols
      expect_gpu_row_matches("grid_sample_cuda", c, 2e-5);
      align = !align;
    }
  }
}

TEST(GridSampleCuda, Volumes) {
  RowCase c = sampled("linear", "zeros", false, {1, 2, 3, 4, 5}, {1, 2, 6, 7, 3});
  expect_gpu_row_matches("grid_sample_cuda", c, 2e-5);
  c = sampled("linear", "border", true, {2, 3, 5, 7}, {2, 4, 1, 2});
  c.constant = {};
  expect_narrow_gpu_row_matches("grid_sample_cuda", c, 2e-5);
}

TEST(GridSampleCuda, Refuses) {
  RowCase c = sampled("linear", "zeros", false, {1, 2, 3, 4}, {1, 2, 6, 2});
  c.inputs[0] = cast_to(c.inputs[0], DType::f64);
  EXPECT_EQ(gpu_refusal_of("grid_sample_cuda", c), "an operand is f64");
}

}  // namespace
}  // namespace mj
