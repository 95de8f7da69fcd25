// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "kernels/gpu_row_test_util.h"
#include "kernels/resize/cases_test_util.h"
#include "ops/resize.h"

namespace mj {
namespace {

using Dims = std::vector<int64_t>;

RowCase resized_by_constants(Resize op, Dims dims, std::vector<float> scales) {
  RowCase c = resized(std::move(op), std::move(dims), std::move(scales));
  c.constant = {false, false, true};  // the second is absent
  return c;
}

TEST(ResizeCuda, EveryModeAndCoordinate) {
  for (const char* mode : {"nearest", "linear", "cubic"}) {
    for (const char* coordinates :
         {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"}) {
      Resize op;
      op.mode = mode;
      op.coordinate_transformation_mode = coordinates;
      expect_gpu_row_matches("resize_cuda", resized_by_constants(op, {2, 5, 7, 13}, {1, 2, 1.5f, 1}), 2e-6);
    }
    Resize op;
    op.mode = mode;
    expect_gpu_row_matches("resize_cuda", resized_by_constants(op, {1, 2, 9, 8}, {1, 1, 0.5f, 0.3f}), 2e-6);
  }
}

TEST(ResizeCuda, RoundingAndBorders) {
  for (const char* rounding : {"round_prefer_ceil", "floor", "ceil"}) {
    Resize op;
    op.nearest_mode = rounding;
    expect_gpu_row_matches("resize_cuda", resized_by_constants(op, {3, 7, 11}, {1, 2, 0.6f}), 0);
  }
  Resize op;
  op.mode = "cubic";
  op.exclude_outside = true;
  op.cubic_coeff_a = -0.5f;
  op.axes = {1, 2};
  expect_gpu_row_matches("resize_cuda", resized_by_constants(op, {3, 7, 11}, {2, 0.6f}), 2e-6);
}

// Scales that an axis is too short to feel, but whose places move.
TEST(ResizeCuda, ScalesThatChangeNoLength) {
  for (const char* mode : {"nearest", "linear"}) {
    Resize op;
    op.mode = mode;
    RowCase c = resized_by_constants(op, {1, 3, 5, 6}, {1.5f, 1.3f, 1.1f, 2});
    c.constant[0] = true;  // no symbols: a length that is one keeps it only where the scale is 1
    expect_gpu_row_matches("resize_cuda", c, 2e-6);
  }
}

TEST(ResizeCuda, SizesAndNothingToDo) {
  Resize op;
  op.mode = "linear";
  RowCase c = resized_to(op, {1, 2, 4, 6}, {1, 2, 9, 5});
  c.constant = {false, false, false, true};
  expect_gpu_row_matches("resize_cuda", c, 2e-6);
  op.keep_aspect_ratio_policy = "not_larger";
  c.problem.op = op;
  c.problem.outputs.clear();
  expect_gpu_row_matches("resize_cuda", c, 2e-6);
  expect_gpu_row_matches("resize_cuda", resized_by_constants(op, {1, 2, 3}, {1, 1, 1}), 0);
  expect_gpu_row_matches("resize_cuda", resized_by_constants(op, {0, 2, 3}, {1, 2, 2}), 0);
}

TEST(ResizeCuda, OtherTypesAndAnEpilogue) {
  RowCase c = resized_by_constants({}, {1, 3, 5, 7}, {1, 1, 2, 2});
  for (DType dtype : {DType::u8, DType::f64, DType::bf16}) {
    RowCase narrow = c;
    narrow.inputs[0] = (*evaluate(op("cast", {{0, "to", dtype}}), std::array{c.inputs[0]}))[0];
    expect_gpu_row_matches("resize_cuda", narrow, 0);
  }
  for (const char* mode : {"nearest", "linear"}) {
    Resize op;
    op.mode = mode;
    RowCase fused = resized_by_constants(op, {1, 3, 5, 7}, {1, 1, 2, 2});
    add_epilogue(fused, {random_tensor(2, {1, 3, 10, 14})}, mj::op("relu"));
    expect_gpu_row_matches("resize_cuda", fused, 2e-6);
  }
}

// Lengths above 1 become symbols here, so it is a pixel that grows.
TEST(ResizeCuda, AnyNumberOfImages) {
  for (const char* mode : {"nearest", "linear", "cubic"}) {
    Resize op;
    op.mode = mode;
    RowCase c = resized_by_constants(op, {3, 7, 1, 1}, {1, 1, 4, 5});
    expect_gpu_row_matches("resize_cuda", c, 2e-6);
    complete(c);
    const Refusal want = op.mode == "cubic" ? Refusal("the lengths of axis 2 are not known") : std::nullopt;
    for (const SelectRow* row : all_select_rows()) {
      if (row->name != "resize_cuda") continue;
      c.problem.inputs[0].shape[0] = c.problem.outputs[0].shape[0] = Dim::symbol("N");
      EXPECT_FALSE(row->refuses(c.problem, {}));
      c.problem.inputs[0].shape[2] = Dim::symbol("H");
      c.problem.outputs[0].shape[2] = Dim::symbol("H") * 4;
      EXPECT_EQ(row->refuses(c.problem, {}), want);
    }
  }
}

// As where an image grows to the size of another one.
TEST(ResizeCuda, SizesThatAreComputed) {
  for (const char* mode : {"nearest", "linear"}) {
    Resize op;
    op.mode = mode;
    op.nearest_mode = "round_prefer_ceil";
    RowCase c = resized_to(op, {2, 3, 5, 7}, {2, 3, 12, 4});
    c.inputs[0].mutable_data<float>()[20] = INFINITY;
    expect_gpu_row_matches("resize_cuda", c, 2e-6);
  }
}

TEST(ResizeCuda, LowerPrecision) {
  for (const char* mode : {"nearest", "linear"}) {
    Resize op;
    op.mode = mode;
    RowCase c = resized_to(op, {1, 3, 5, 7}, {1, 3, 10, 14});
    c.constant = {false, false, false, true};
    expect_narrow_gpu_row_matches("resize_cuda", c, 2e-6);
    add_epilogue(c, {random_tensor(2, {1, 3, 10, 14})}, mj::op("relu"));
    expect_narrow_gpu_row_matches("resize_cuda", c, 2e-6);
  }
}

TEST(ResizeCuda, Refuses) {
  Resize op;
  RowCase c = resized_by_constants(op, {1, 2, 3}, {1, 1, 2});
  c.constant = {};
  EXPECT_EQ(gpu_refusal_of("resize_cuda", c), "the scales are computed");
  op.mode = "linear";
  op.antialias = true;
  EXPECT_EQ(gpu_refusal_of("resize_cuda", resized_by_constants(op, {1, 2, 3}, {1, 1, 2})), "it is antialiased");
  c = resized_by_constants(op, {1, 2, 3}, {1, 1, 2});
  c.inputs[0] = Tensor::zeros(DType::i32, {1, 2, 3});
  EXPECT_EQ(gpu_refusal_of("resize_cuda", c), "linear of i32");
}

}  // namespace
}  // namespace mj
