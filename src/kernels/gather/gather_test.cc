// SPDX-License-Identifier: Apache-2.0
#include "ops/gather.h"

#include "kernels/gather/cases_test_util.h"
#include "kernels/row_test_util.h"
#include "ops/concat.h"
#include "ops/expand.h"
#include "ops/pad.h"
#include "ops/slice.h"
#include "ops/split.h"

namespace mj {
namespace {

using Dims = std::vector<int64_t>;

TEST(GatherRow, AnyAxisAndNegativeIndices) {
  for (int64_t axis : {0, 1, 2, -1}) {
    const Tensor x = random_tensor(1, {5, 7, 6});
    expect_row_matches("gather_rows", moved(Gather{axis}, {x, ints({4, 0, -1, 2, 2})}), 0);
    expect_row_matches("gather_rows", moved(Gather{axis}, {x, Tensor::scalar(int64_t{-5})}), 0);
    expect_row_matches("gather_rows", moved(Gather{axis}, {x, ints({})}), 0);
    expect_row_matches("gather_rows", moved(Gather{axis}, {x, ints({0, 1, 2, 3}).reshaped({2, 2})}), 0);
  }
  const int32_t narrow[] = {1, -2};
  expect_row_matches("gather_rows", moved(Gather{}, {ints({3, 4, 5}), Tensor::of<int32_t>({2}, narrow)}), 0);
}

TEST(GatherRow, AnIndexOutOfRangeIsNamed) {
  RowCase c = moved(Gather{}, {random_tensor(1, {3, 2}), ints({0, 1})});
  complete(c);
  c.inputs[1] = ints({0, 3});
  EXPECT_EQ(run_row_error("gather_rows", c, Isa::portable), "gather: index 3 is outside a dimension of length 3");
}

TEST(BoxCopyRow, SlicesOfEveryKind) {
  const Tensor x = random_tensor(1, {7, 9, 11});
  struct Case {
    Dims starts, ends, axes, steps;
  };
  for (const Case& c :
       {Case{{1}, {5}, {0}, {1}}, Case{{0, 2}, {100, -1}, {0, 2}, {1, 2}}, Case{{-1}, {INT64_MIN}, {1}, {-1}},
        Case{{8, 10}, {2, -100}, {1, -1}, {-2, -3}}, Case{{5}, {5}, {0}, {1}},
        Case{{-3, 1}, {INT64_MAX, INT64_MAX}, {2, 0}, {1, 1}}, Case{{0}, {7}, {0}, {1000}}}) {
    expect_row_matches("box_copy", moved(Slice{}, {x, ints(c.starts), ints(c.ends), ints(c.axes), ints(c.steps)}), 0);
  }
  expect_row_matches("box_copy", moved(Slice{}, {x, ints({2, 3}), ints({4, 7})}), 0);
  expect_row_matches("box_copy",
                     moved(op("slice_to", {{0, "axes", Dims{1}},
                                           {0, "starts", std::vector<std::string>{"-3"}},
                                           {0, "ends", std::vector<std::string>{"9"}},
                                           {0, "steps", Dims{1}}}),
                           {x}),
                     0);
}

TEST(BoxCopyRow, BoundsThatDoNotFitThePlanAreAnError) {
  RowCase c = moved(Slice{}, {random_tensor(1, {6}), ints({1}), ints({3})});
  complete(c);
  c.inputs[2] = ints({4});
  EXPECT_EQ(run_row_error("box_copy", c, Isa::portable), "slice: the bounds give [3], the plan has [2]");
}

TEST(BoxCopyRow, ConcatAndSplit) {
  for (int64_t axis : {0, 1, -1}) {
    std::vector<Tensor> parts;
    for (int64_t length : {3, 0, 1, 5}) {
      Dims dims = {4, 6, 10};
      dims[static_cast<size_t>(axis < 0 ? 2 : axis)] = length;
      parts.push_back(random_tensor(static_cast<uint32_t>(length), dims));
    }
    expect_row_matches("box_copy", moved(Concat{axis}, parts), 0);
    Split split;
    split.axis = axis;
    split.sizes = {2, 0, 1};
    Dims dims = {5, 7, 9};
    dims[static_cast<size_t>(axis < 0 ? 2 : axis)] = 3;
    expect_row_matches("box_copy", moved(split, {random_tensor(1, dims)}, 3), 0);
  }
}

TEST(BoxCopyRow, Expands) {
  expect_row_matches("box_copy", moved(Expand{}, {random_tensor(1, {3, 1, 5}), ints({2, 1, 4, 1})}), 0);
  expect_row_matches("box_copy", moved(Expand{}, {random_tensor(1, {1}), ints({700, 3})}), 0);
  expect_row_matches("box_copy", moved(Expand{}, {random_tensor(1, {}), ints({0, 3})}), 0);
}

TEST(PadRow, EveryModeGrowsAndCuts) {
  for (const char* mode : {"constant", "reflect", "edge", "wrap"}) {
    const Tensor x = random_tensor(1, {4, 5, 6});
    Pad pad;
    pad.mode = mode;
    expect_row_matches("pad_rows", moved(pad, {x, ints({1, 0, 2, 0, 3, 1})}), 0);
    expect_row_matches("pad_rows", moved(pad, {x, ints({-1, 2, -2, 1, -3, 2})}), 0);
    expect_row_matches("pad_rows", moved(pad, {x, ints({2, 1}), Tensor::scalar(7.5f), ints({-1})}), 0);
    expect_row_matches("pad_rows", moved(pad, {ints({1, 2, 3}), ints({2, 2})}), 0);
  }
}

}  // namespace
}  // namespace mj
