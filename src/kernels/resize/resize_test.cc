// SPDX-License-Identifier: Apache-2.0
#include "ops/resize.h"

#include "kernels/resize/cases_test_util.h"
#include "kernels/row_test_util.h"

namespace mj {
namespace {

using Dims = std::vector<int64_t>;

TEST(ResizeRow, EveryModeAndCoordinate) {
  for (const char* mode : {"nearest", "linear", "cubic"}) {
    for (const char* coordinates :
         {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"}) {
      Resize op;
      op.mode = mode;
      op.coordinate_transformation_mode = coordinates;
      expect_row_matches("resize_f32", resized(op, {2, 3, 5, 7}, {1, 1, 2, 2}), 2e-6);
      expect_row_matches("resize_f32", resized(op, {2, 5, 7, 33}, {1, 2, 1.5f, 1}), 2e-6);
      expect_row_matches("resize_f32", resized(op, {1, 2, 9, 8}, {1, 1, 0.5f, 0.3f}), 2e-6);
    }
  }
}

TEST(ResizeRow, SizesAndNothingToDo) {
  Resize op;
  op.mode = "linear";
  RowCase c = resized_to(op, {1, 2, 4, 6}, {1, 2, 9, 5});
  expect_row_matches("resize_f32", c, 2e-6);
  expect_row_matches("resize_f32", resized(op, {1, 2, 3}, {1, 1, 1}), 0);
  expect_row_matches("resize_f32", resized(op, {0, 2, 3}, {1, 2, 2}), 0);
}

TEST(ResizeRow, RefusesIntegers) {
  Problem problem;
  problem.op = Resize{};
  const std::vector<float> scales = {2};
  const Dims values = {1, 2, 3};
  EXPECT_EQ(refusal_of("resize_f32", {problem, {Tensor::of_i64(values), {}, Tensor::of<float>({1}, scales)}, {}}),
            "the image is not f32");
}

}  // namespace
}  // namespace mj
