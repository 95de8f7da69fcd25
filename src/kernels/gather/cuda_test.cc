// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "kernels/gather/cases_test_util.h"
#include "kernels/gpu_row_test_util.h"
#include "ops/concat.h"
#include "ops/expand.h"
#include "ops/gather.h"
#include "ops/pad.h"
#include "ops/slice.h"
#include "ops/split.h"

namespace mj {
namespace {

using Dims = std::vector<int64_t>;

RowCase moved_by_constants(Op op, std::vector<Tensor> inputs, size_t outputs = 1) {
  RowCase c = moved(std::move(op), std::move(inputs), outputs);
  c.constant.assign(c.inputs.size(), true);
  c.constant[0] = false;
  return c;
}

// The maths that makes of x: max(x * 2, t).
void add_body(RowCase& c, Tensor t) {
  c.problem.anchor_inputs = static_cast<int>(c.inputs.size());
  Body& body = c.problem.epilogue;
  body.params = {DType::f32, DType::f32};
  const int twice = body.append(op("add"), {0, 0});
  body.results = {body.append(op("max"), {twice, 1})};
  c.inputs.push_back(std::move(t));
}

TEST(GatherCuda, AnyAxisAndNegativeIndices) {
  for (int64_t axis : {0, 1, -1}) {
    RowCase c = moved_by_constants(Gather{axis},
                                   {random_tensor(1, {5, 7, 6}), ints({4, 0, -1, 2, 2, -5, 1, 3}).reshaped({2, 4})});
    c.constant[1] = false;
    expect_gpu_row_matches("gather_cuda", c, 0);
  }
  const Tensor x = random_tensor(1, {5, 7});
  expect_gpu_row_matches("gather_cuda", moved_by_constants(Gather{1}, {x, Tensor::scalar(int64_t{-7})}), 0);
  expect_gpu_row_matches("gather_cuda", moved_by_constants(Gather{0}, {x, ints({})}), 0);
  const int32_t narrow[] = {1, -2};
  expect_gpu_row_matches("gather_cuda",
                         moved_by_constants(Gather{}, {ints({3, 4, 5}), Tensor::of<int32_t>({2}, narrow)}), 0);
  RowCase c = moved_by_constants(Gather{0}, {x, ints({2, 0, -1})});
  add_body(c, random_tensor(3, {3, 1}));
  expect_gpu_row_matches("gather_cuda", c, 0);
}

TEST(BoxCopyCuda, SlicesOfEveryKind) {
  const Tensor x = random_tensor(1, {7, 9, 11});
  struct Case {
    Dims starts, ends, axes, steps;
  };
  for (const Case& c : {Case{{0, 2}, {100, -1}, {0, 2}, {1, 2}}, Case{{-1}, {INT64_MIN}, {1}, {-1}},
                        Case{{8, 10}, {2, -100}, {1, -1}, {-2, -3}}, Case{{5}, {5}, {0}, {1}},
                        Case{{0}, {7}, {0}, {int64_t{1} << 40}}}) {
    expect_gpu_row_matches("box_copy_cuda",
                           moved_by_constants(Slice{}, {x, ints(c.starts), ints(c.ends), ints(c.axes), ints(c.steps)}),
                           0);
  }
  expect_gpu_row_matches("box_copy_cuda", moved_by_constants(Slice{}, {x, ints({2, 3}), ints({4, 7})}), 0);
}

TEST(BoxCopyCuda, SlicesWithBoundsInFields) {
  const auto slice_to = [](Dims axes, std::vector<std::string> starts, std::vector<std::string> ends, Dims steps) {
    return op("slice_to", {{0, "axes", std::move(axes)},
                           {0, "starts", std::move(starts)},
                           {0, "ends", std::move(ends)},
                           {0, "steps", std::move(steps)}});
  };
  const Tensor x = random_tensor(1, {7, 9, 11});
  expect_gpu_row_matches("box_copy_cuda", moved_by_constants(slice_to({1}, {"-3"}, {"9"}, {1}), {x}), 0);
  expect_gpu_row_matches("box_copy_cuda", moved_by_constants(slice_to({2, 0}, {"-1", "1"}, {"-12", "6"}, {-2, 3}), {x}),
                         0);
  expect_gpu_row_matches("box_copy_cuda", moved_by_constants(slice_to({}, {}, {}, {}), {x}), 0);
  RowCase c = moved_by_constants(slice_to({1}, {"4"}, {"6"}, {1}), {x});
  add_body(c, random_tensor(2, {2, 11}));
  expect_gpu_row_matches("box_copy_cuda", c, 0);
}

TEST(BoxCopyCuda, ConcatAndSplit) {
  for (int64_t axis : {0, 1, -1}) {
    std::vector<Tensor> parts;
    for (int64_t length : {3, 0, 1, 5}) {
      Dims dims = {4, 6, 10};
      dims[static_cast<size_t>(axis < 0 ? 2 : axis)] = length;
      parts.push_back(random_tensor(static_cast<uint32_t>(length), dims));
    }
    RowCase c = moved_by_constants(Concat{axis}, parts);
    c.constant.clear();
    expect_gpu_row_matches("box_copy_cuda", c, 0);
    add_body(c, random_tensor(7, {1, 6, 1}));
    if (axis == 0) expect_gpu_row_matches("box_copy_cuda", c, 0);
    Split split;
    split.axis = axis;
    split.sizes = {2, 0, 1};
    Dims dims = {5, 7, 9};
    dims[static_cast<size_t>(axis < 0 ? 2 : axis)] = 3;
    expect_gpu_row_matches("box_copy_cuda", moved_by_constants(split, {random_tensor(1, dims)}, 3), 0);
  }
  expect_gpu_row_matches("box_copy_cuda", moved_by_constants(Concat{0}, {random_tensor(1, {0, 3})}), 0);
}

TEST(BoxCopyCuda, Expands) {
  expect_gpu_row_matches("box_copy_cuda",
                         moved_by_constants(Expand{}, {random_tensor(1, {3, 1, 5}), ints({2, 1, 4, 1})}), 0);
  expect_gpu_row_matches("box_copy_cuda", moved_by_constants(Expand{}, {random_tensor(1, {1}), ints({700, 3})}), 0);
  expect_gpu_row_matches("box_copy_cuda", moved_by_constants(Expand{}, {random_tensor(1, {}), ints({0, 3})}), 0);
  expect_gpu_row_matches("box_copy_cuda",
                         moved_by_constants(op("expand_to", {{0, "shape", std::vector<std::string>{"2", "3", "5"}}}),
                                            {random_tensor(1, {3, 1})}),
                         0);
}

TEST(BoxCopyCuda, ElementsOfEveryType) {
  const Tensor x = ints({0, 1, -1, 127, 5});
  for (DType dtype : {DType::f64, DType::bf16, DType::i8, DType::u16, DType::i64, DType::boolean}) {
    const Result<std::vector<Tensor>> cast = evaluate(op("cast", {{0, "to", dtype}}), std::array{x});
    ASSERT_TRUE(cast.ok());
    expect_gpu_row_matches("box_copy_cuda",
                           moved_by_constants(Slice{}, {(*cast)[0], ints({3}), ints({0}), ints({0}), ints({-1})}), 0);
  }
}

TEST(BoxCopyCuda, Refuses) {
  RowCase c = moved_by_constants(Slice{}, {random_tensor(1, {6}), ints({1}), ints({3})});
  EXPECT_EQ(gpu_refusal_of("box_copy_cuda", c), "takes it");
  c.constant = {};
  EXPECT_EQ(gpu_refusal_of("box_copy_cuda", c), "the bounds are computed");
  EXPECT_EQ(gpu_refusal_of("box_copy_cuda", moved_by_constants(Gather{}, {random_tensor(1, {6}), ints({1})})),
            "gather is no copy of boxes");
  EXPECT_EQ(
      gpu_refusal_of("box_copy_cuda", moved_by_constants(Concat{}, std::vector<Tensor>(129, random_tensor(1, {1})))),
      "more than 128 parts");
}

TEST(BoxCopyCuda, LowerPrecision) {
  const Tensor x = random_tensor(1, {6, 9, 8});
  RowCase c = moved_by_constants(Slice{}, {x, ints({2, 0}), ints({5, 8})});
  add_body(c, random_tensor(2, {8, 8}));
  expect_narrow_gpu_row_matches("box_copy_cuda", c, 0);
  c = moved_by_constants(Concat{1}, {x, random_tensor(2, {6, 3, 8})});
  c.constant.clear();
  expect_narrow_gpu_row_matches("box_copy_cuda", c, 0);
  c = moved_by_constants(Gather{0}, {x, ints({2, 0, -1})});
  add_body(c, random_tensor(3, {3, 1, 8}));
  expect_narrow_gpu_row_matches("gather_cuda", c, 0);
  c = moved_by_constants(Pad{}, {x, ints({0, 1, 8, 0, 1, 0})});
  add_body(c, random_tensor(3, {16}));
  expect_narrow_gpu_row_matches("pad_cuda", c, 0);
}

TEST(PadCuda, EveryModeGrowsAndCuts) {
  for (const char* mode : {"constant", "reflect", "edge", "wrap"}) {
    Tensor x = random_tensor(1, {4, 5, 6});
    x.mutable_data<float>()[7] = NAN;
    Pad pad;
    pad.mode = mode;
    expect_gpu_row_matches("pad_cuda", moved_by_constants(pad, {x, ints({1, 0, 9, 0, 3, 11})}), 0);
    expect_gpu_row_matches("pad_cuda", moved_by_constants(pad, {x, ints({-1, 2, -2, 1, -3, 2})}), 0);
    expect_gpu_row_matches("pad_cuda", moved_by_constants(pad, {x, ints({2, 1}), Tensor::scalar(7.5f), ints({-1})}), 0);
    expect_gpu_row_matches("pad_cuda", moved_by_constants(pad, {ints({3}), ints({2, 2})}), 0);
  }
}

TEST(PadCuda, EmptyAndScalarAndEpilogue) {
  expect_gpu_row_matches("pad_cuda", moved_by_constants(Pad{}, {random_tensor(1, {0, 2}), ints({1, 0, 1, 0})}), 0);
  expect_gpu_row_matches("pad_cuda", moved_by_constants(Pad{}, {random_tensor(1, {}), ints({})}), 0);
  RowCase c = moved_by_constants(Pad{}, {random_tensor(1, {3, 4}), ints({1, 1, 0, 2})});
  add_body(c, random_tensor(2, {7}));
  expect_gpu_row_matches("pad_cuda", c, 0);
}

TEST(PadCuda, Refuses) {
  RowCase c = moved_by_constants(Pad{}, {random_tensor(1, {6}), ints({1, 2})});
  c.constant = {};
  EXPECT_EQ(gpu_refusal_of("pad_cuda", c), "the pads are computed");
}

}  // namespace
}  // namespace mj
