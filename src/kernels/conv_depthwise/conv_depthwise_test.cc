// SPDX-License-Identifier: Apache-2.0
#include "ops/conv_depthwise.h"

#include "kernels/row_test_util.h"

namespace mj {
namespace {

struct Sizes {
  int64_t n, h, w, c, channels, kh, kw, stride, pad, dilation = 1;
};

RowCase conv_depthwise(const Sizes& s, const std::string& activation, bool biases, bool body) {
  ConvDepthwise op;
  op.strides = {s.stride, s.stride};
  op.pads = {s.pad, s.pad, s.pad, s.pad};
  op.dilations = {s.dilation, s.dilation};
  op.activation = activation;
  if (activation == "clip") op.min = -0.5f, op.max = 1;
  RowCase c;
  c.inputs = {random_tensor(1, {s.n, s.h, s.w, s.c}), random_tensor(2, {s.channels, s.c, 1, 1}),
              biases ? random_tensor(3, {s.channels}) : Tensor(), random_tensor(4, {s.channels, 1, s.kh, s.kw})};
  if (biases) c.inputs.push_back(random_tensor(5, {s.channels}));
  c.constant = {false, true, true, true, true};
  c.problem.op = op;
  if (body) {  // + one number a channel, then silu
    c.problem.anchor_inputs = static_cast<int>(c.inputs.size());
    Body& epilogue = c.problem.epilogue;
    epilogue.params = {DType::f32, DType::f32};
    const int sum = epilogue.append(mj::op("add"), {0, 1});
    epilogue.results = {epilogue.append(mj::op("silu"), {sum})};
    c.inputs.push_back(random_tensor(6, {s.channels}));
  }
  return c;
}

const Sizes kSizes[] = {{2, 9, 12, 5, 16, 3, 3, 1, 1},  {1, 20, 33, 3, 24, 3, 3, 2, 1},  {1, 14, 30, 7, 9, 5, 5, 1, 2},
                        {1, 15, 15, 4, 40, 5, 5, 2, 2}, {3, 1, 1, 1, 2, 3, 3, 1, 1},     {1, 7, 60, 2, 130, 7, 7, 1, 3},
                        {1, 11, 13, 4, 8, 3, 2, 3, 0},  {1, 17, 9, 4, 8, 3, 3, 1, 2, 2}, {2, 64, 5, 3, 17, 3, 3, 1, 1},
                        {0, 9, 12, 5, 16, 3, 3, 1, 1},  {1, 40, 8, 2, 8, 2, 1, 4, 0}};

TEST(conv_depthwise_f32, matches_the_reference) {
  for (const Sizes& s : kSizes)
    for (const std::string activation : {"", "relu", "clip", "silu", "hard_swish"})
      for (bool extras : {false, true})
        for (const std::string row : {"conv_depthwise_rows_f32", "conv_depthwise_whole_f32"})
          expect_row_matches(row, conv_depthwise(s, activation, extras, extras), 2e-5);
}

TEST(conv_depthwise_f32, gives_the_same_bits_by_rows_and_in_whole) {
  for (const Sizes& s : kSizes) {
    RowCase c = conv_depthwise(s, "silu", true, true);
    complete(c);
    for (int threads : {1, 2})
      EXPECT_TRUE(identical(run_row("conv_depthwise_rows_f32", c, detect_isa(), threads)[0],
                            run_row("conv_depthwise_whole_f32", c, detect_isa(), threads)[0]));
  }
}

TEST(conv_depthwise_f32, says_why_not) {
  RowCase c = conv_depthwise(kSizes[0], "relu", true, false);
  c.constant[3] = false;
  EXPECT_EQ(refusal_of("conv_depthwise_rows_f32", c), "its weights are not constant");
}

}  // namespace
}  // namespace mj
