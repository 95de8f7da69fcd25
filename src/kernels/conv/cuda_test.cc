// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/tile_text.h"
#include "kernels/gpu_row_test_util.h"
#include "ops/clip.h"
#include "ops/conv.h"

namespace mj {
namespace {

constexpr const char *kRow = "conv_cuda_f32", *kDepthwise = "conv_cuda_depthwise_f32";
using Dims = std::vector<int64_t>;

struct Window {
  Dims strides = {}, pads = {}, dilations = {};
  int64_t group = 1;
  std::string auto_pad = "NOTSET";
};

// `x` as [N,spatial...,C].
RowCase conv(const Window& window, bool channels_last, Dims x, Dims w, bool bias = true) {
  Conv op;
  op.strides = window.strides;
  op.pads = window.pads;
  op.dilations = window.dilations;
  op.group = window.group;
  op.auto_pad = window.auto_pad;
  op.channels_last = channels_last;
  if (!channels_last) {
    x.insert(x.begin() + 1, x.back());
    x.pop_back();
  }
  RowCase c;
  c.problem.op = op;
  c.inputs = {random_tensor(1, x), random_tensor(2, w)};
  if (bias) c.inputs.push_back(random_tensor(3, {w[0]}));
  c.constant = {false, true, true};
  return c;
}

void expect_conv_matches(const char* row, const Window& window, const Dims& x, const Dims& w, bool bias = true) {
  for (bool channels_last : {true, false}) {
    if (window.pads.empty() && window.auto_pad == "NOTSET" && window.strides.empty() && !bias && !channels_last)
      continue;
    expect_gpu_row_matches(row, conv(window, channels_last, x, w, bias), 2e-5);
  }
}

TEST(ConvCuda, EveryTileInBothLayouts) {
  if (!can_run_on_test_gpu()) GTEST_SKIP();
  for (const Tile& tile : all_tiles()) {
    for (bool channels_last : {true, false}) {
      RowCase c = conv({{}, {1, 1, 1, 1}}, channels_last, {2, 9, 8, 8}, {36, 8, 3, 3});
      const std::vector<Tensor> want = complete(c);
      expect_config_matches(kRow, c, to_string(tile), want, 2e-5);
    }
  }
}

// Lengths of the result that follow from those of the image.
TEST(ConvCuda, ImagesOfAnySize) {
  if (!can_run_on_test_gpu()) GTEST_SKIP();
  for (const char* auto_pad : {"NOTSET", "SAME_LOWER"}) {
    for (const auto& [row, group] : {std::pair(kRow, 1), std::pair(kDepthwise, 4)}) {
      for (bool channels_last : {true, false}) {
        RowCase c =
            conv({{2, 1}, {1, 0, 0, 2}, {}, group, auto_pad}, channels_last, {2, 8, 7, 4}, {8, 4 / group, 3, 3});
        add_epilogue(c, {random_tensor(5, {8, 1, 1})}, op("relu"));
        if (channels_last) c.inputs[3] = random_tensor(5, {8});
        const std::vector<Tensor> want = complete(c);
        const Dim n = Dim::symbol("N"), h = Dim::symbol("H"), w = Dim::symbol("W");
        c.problem.inputs[0].shape = channels_last ? Shape{n, h, w, 4} : Shape{n, 4, h, w};
        std::vector<ValueInfo> infos;
        for (size_t i = 0; i < 3; ++i) infos.push_back(ValueInfo::of(c.problem.inputs[i].type()));
        const InferResult inferred =
            c.problem.op.infer({.op = "conv", .inputs = infos, .outputs = 1, .fresh = nullptr});
        ASSERT_TRUE(inferred.ok());
        c.problem.outputs[0].shape = *(*inferred)[0].type.shape;
        expect_config_matches(row, c, "", want, 2e-5);
      }
    }
  }
}

TEST(ConvCuda, WindowsOfAllKinds) {
  expect_conv_matches(kRow, {{}, {1, 1, 1, 1}}, {2, 9, 8, 5}, {7, 5, 3, 3});
  expect_conv_matches(kRow, {{2, 2}, {3, 3, 3, 3}}, {2, 20, 21, 3}, {18, 3, 7, 7}, false);
  expect_conv_matches(kRow, {{2, 1}, {0, 1, 2, 0}, {1, 2}}, {1, 11, 7, 8}, {5, 8, 3, 2});
  expect_conv_matches(kRow, {}, {1, 1, 1, 1}, {1, 1, 1, 1});
}

TEST(ConvCuda, Pixelwise) {
  expect_conv_matches(kRow, {}, {3, 5, 6, 40}, {33, 40, 1, 1}, false);
  expect_conv_matches(kRow, {{2, 2}}, {1, 7, 6, 12}, {8, 12, 1, 1});
}

TEST(ConvCuda, AutomaticPadding) {
  for (const char* auto_pad : {"SAME_UPPER", "SAME_LOWER", "VALID"})
    expect_conv_matches(kRow, {{2, 1}, {}, {}, 1, auto_pad}, {1, 8, 7, 4}, {5, 4, 3, 4});
}

TEST(ConvCuda, Groups) {
  expect_conv_matches(kRow, {{}, {1, 0, 2, 1}, {}, 4}, {1, 7, 9, 20}, {8, 5, 3, 2});
  expect_conv_matches(kRow, {{}, {1, 1, 1, 1}, {}, 2}, {1, 5, 6, 16}, {24, 8, 3, 3});
}

TEST(ConvCuda, OneAndThreeSpatialDims) {
  expect_conv_matches(kRow, {{2}, {1, 2}}, {2, 31, 24}, {9, 24, 5});
  expect_conv_matches(kRow, {{1, 2, 1}, {1, 1, 1, 0, 1, 0}}, {1, 4, 5, 6, 3}, {5, 3, 2, 3, 2});
}

TEST(ConvCuda, SplitDepthWithEpilogue) {
  for (bool channels_last : {true, false}) {
    RowCase c = conv({{}, {1, 1, 1, 1}}, channels_last, {1, 3, 3, 64}, {11, 64, 3, 3});
    const Dims out = channels_last ? Dims{1, 3, 3, 11} : Dims{1, 11, 3, 3};
    add_epilogue(c, {random_tensor(5, out), random_tensor(6, channels_last ? Dims{11} : Dims{11, 1, 1})}, op("relu"));
    expect_gpu_row_matches(kRow, c, 1e-4);
  }
}

TEST(ConvCuda, SeveralOutputs) {
  RowCase c = conv({{}, {1, 1, 1, 1}}, true, {2, 5, 7, 4}, {8, 4, 3, 3});
  c.problem.anchor_inputs = 3;
  c.inputs.push_back(random_tensor(5, {2, 5, 7, 8}));
  Body& body = c.problem.epilogue;
  body.params = {DType::f32, DType::f32};
  const int sum = body.append(op("add"), {0, 1});
  body.results = {sum, body.append(Clip{0, 6}, {sum})};
  c.problem.outputs.resize(2);
  expect_gpu_row_matches(kRow, c, 2e-5);
}

TEST(ConvCuda, LowerPrecision) {
  if (!can_run_on_test_gpu()) GTEST_SKIP();
  for (bool channels_last : {true, false}) {
    RowCase c = conv({{}, {1, 1, 1, 1}, {}, 2}, channels_last, {1, 3, 5, 8}, {12, 4, 3, 3});
    add_epilogue(c, {random_tensor(5, channels_last ? Dims{1, 3, 5, 12} : Dims{1, 12, 3, 5})}, op("relu"));
    expect_narrow_gpu_row_matches(kRow, c, 2e-5);
  }
}

TEST(ConvCuda, SaysWhyNot) {
  RowCase c = conv({}, true, {1, 4, 4, 3}, {5, 3, 2, 2});
  EXPECT_EQ(gpu_refusal_of(kRow, c), "takes it");
  EXPECT_EQ(gpu_refusal_of(kDepthwise, c), "its groups have several channels");
  c.constant = {};
  EXPECT_EQ(gpu_refusal_of(kRow, c), "its weights are not constant");
}

TEST(ConvDepthwiseCuda, WindowsOfAllKinds) {
  expect_conv_matches(kDepthwise, {{}, {1, 1, 1, 1}, {}, 21}, {2, 7, 9, 21}, {21, 1, 3, 3});
  expect_conv_matches(kDepthwise, {{2, 2}, {2, 2, 2, 2}, {}, 8}, {1, 8, 11, 8}, {8, 1, 5, 5}, false);
  expect_conv_matches(kDepthwise, {{1, 2}, {}, {}, 5}, {1, 6, 13, 5}, {5, 1, 2, 3});
  expect_conv_matches(kDepthwise, {{1, 1}, {2, 2, 2, 2}, {2, 2}, 7}, {2, 6, 5, 7}, {7, 1, 3, 3});
  expect_conv_matches(kDepthwise, {{2, 2}, {}, {}, 6, "SAME_LOWER"}, {1, 5, 8, 6}, {6, 1, 3, 4});
}

TEST(ConvDepthwiseCuda, SeveralOutputsAChannelAndOtherRanks) {
  expect_conv_matches(kDepthwise, {{}, {1, 1, 1, 1}, {}, 5}, {1, 4, 7, 5}, {15, 1, 3, 3});
  expect_conv_matches(kDepthwise, {{}, {2, 0}, {}, 3}, {2, 17, 3}, {3, 1, 3});
  expect_conv_matches(kDepthwise, {{}, {1, 0, 1, 0, 1, 1}, {}, 2}, {1, 3, 4, 5, 2}, {2, 1, 2, 2, 3});
}

// Channels of 8, 4, 2 and 1 at once.
TEST(ConvDepthwiseCuda, NeighbouringChannels) {
  for (int64_t channels : {16, 12, 6, 5}) {
    for (int64_t stride : {1, 2}) {
      RowCase c = conv({{stride, stride}, {1, 1, 1, 1}, {}, channels}, true, {2, 5, 7, channels}, {channels, 1, 3, 3});
      const int64_t h = stride == 1 ? 5 : 3, w = stride == 1 ? 7 : 4;
      add_epilogue(c, {random_tensor(5, {2, h, w, channels}), random_tensor(6, {h, 1, 1})}, op("silu"));
      if (stride == 1) expect_gpu_row_matches(kDepthwise, c, 2e-5);
      expect_narrow_gpu_row_matches(kDepthwise, c, 2e-5);
    }
  }
  expect_narrow_gpu_row_matches(kDepthwise, conv({{}, {1, 1, 1, 1}, {}, 4}, false, {1, 5, 7, 4}, {4, 1, 3, 3}), 2e-5);
  expect_narrow_gpu_row_matches(kDepthwise, conv({{}, {}, {}, 4}, true, {1, 5, 7, 4}, {8, 1, 3, 3}), 2e-5);
}

TEST(ConvDepthwiseCuda, Epilogue) {
  RowCase c = conv({{}, {1, 1, 1, 1}, {}, 12}, true, {2, 5, 7, 12}, {12, 1, 3, 3});
  add_epilogue(c, {random_tensor(5, {2, 5, 7, 12}), random_tensor(6, {2, 1, 1, 12})}, op("silu"));
  expect_gpu_row_matches(kDepthwise, c, 2e-5);
}

}  // namespace
}  // namespace mj
