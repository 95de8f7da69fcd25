// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "kernels/attention/cases_test_util.h"
#include "kernels/gpu_row_test_util.h"
#include "ops/attention.h"

namespace mj {
namespace {

constexpr const char* kRow = "attention_cuda_f32";
using Dims = std::vector<int64_t>;

TEST(AttentionCuda, LengthsInEveryLayout) {
  for (int64_t s : {1, 17, 131}) {
    const int64_t heads = 3, depth = s == 17 ? 5 : 16;
    const Dims flat = {2, s, heads * depth}, outer = {2, heads, s, depth};
    expect_gpu_row_matches(kRow, attend(layout(heads, "bshd"), {loud(1, flat), loud(2, flat), loud(3, flat)}), 2e-5);
    expect_gpu_row_matches(kRow, attend(layout(heads, "bhsd"), {loud(1, outer), loud(2, outer), loud(3, outer)}), 2e-5);
    expect_gpu_row_matches(kRow, attend(layout(heads, "qkv"), {loud(1, {2, s, 3 * heads * depth})}), 2e-5);
  }
}

// Against the case with the sizes as they are; head sizes must be known, so that not all of them can be symbols.
void expect_matches_with(RowCase c, const std::vector<Shape>& inputs, const Shape& output) {
  if (!can_run_on_test_gpu()) GTEST_SKIP();
  const std::vector<Tensor> want = complete(c);
  for (size_t i = 0; i < inputs.size(); ++i) c.problem.inputs[i].shape = inputs[i];
  c.problem.outputs[0].shape = output;
  expect_config_matches(kRow, c, "", want, 2e-5);
}

TEST(AttentionCuda, LengthsAreSymbols) {
  const Dim n = Dim::symbol("N"), s = Dim::symbol("S"), t = Dim::symbol("T");
  expect_matches_with(attend(layout(3, "qkv"), {loud(1, {2, 37, 3 * 3 * 8})}), {{n, s, 72}}, {n, s, 24});
  Attention op = layout(2, "bshd");
  op.causal = true;
  op.kv_heads = 1;
  const Tensor mask = loud(4, {2, 1, 1, 140});
  expect_matches_with(attend(op, {loud(1, {2, 17, 16}), loud(2, {2, 140, 8}), loud(3, {2, 140, 8}), mask}),
                      {{n, s, 16}, {n, t, 8}, {n, t, 8}, {n, 1, 1, t}}, {n, s, 16});
  expect_matches_with(attend(layout(2, "bhsd"),
                             {loud(1, {1, 2, 5, 3}), loud(2, {1, 2, 9, 3}), loud(3, {1, 2, 9, 7}), loud(4, {1, 5, 9})}),
                      {{n, 2, s, 3}, {n, 2, t, 3}, {n, 2, t, 7}, {Dim::symbol("M"), s, t}}, {n, 2, s, 7});
}

TEST(AttentionCuda, LargeHeads) {
  for (const auto& [depth, v_depth] : {std::pair<int64_t, int64_t>{64, 64}, {128, 80}, {80, 256}, {3, 1}}) {
    expect_gpu_row_matches(kRow,
                           attend(layout(1, "bhsd"), {loud(1, {1, 1, 35, depth}), loud(2, {1, 1, 67, depth}),
                                                      loud(3, {1, 1, 67, v_depth})}),
                           2e-5);
  }
}

TEST(AttentionCuda, CrossAttentionWithFewKeyHeadsAndAnotherValueSize) {
  Attention op = layout(6, "bhsd");
  op.kv_heads = 2;
  op.scale = 0.3f;
  expect_gpu_row_matches(kRow, attend(op, {loud(1, {1, 6, 19, 8}), loud(2, {1, 2, 31, 8}), loud(3, {1, 2, 31, 13})}),
                         2e-5);
  op.layout = "qkv";
  expect_gpu_row_matches(kRow, attend(op, {loud(1, {2, 19, 10 * 4})}), 2e-5);
}

TEST(AttentionCuda, CausalWithMoreAndFewerKeysThanQueries) {
  for (const auto& [queries, keys] : {std::pair<int64_t, int64_t>{150, 150}, {7, 90}, {53, 20}}) {
    for (bool zero : {false, true}) {
      Attention op = layout(2, "bhsd");
      op.causal = true;
      op.zero_masked_rows = zero;
      expect_gpu_row_matches(
          kRow, attend(op, {loud(1, {1, 2, queries, 8}), loud(2, {1, 2, keys, 8}), loud(3, {1, 2, keys, 8})}), 2e-5);
    }
  }
}

TEST(AttentionCuda, MasksBroadcast) {
  for (const Dims& dims : {Dims{2, 1, 1, 21}, Dims{2, 3, 9, 21}, Dims{9, 21}, Dims{1, 3, 9, 1}, Dims{}}) {
    for (float hidden : {-INFINITY, -3.4028235e38f}) {
      Tensor mask = random_tensor(4, dims);
      for (float& v : mask.mutable_data<float>())
        if (v > 0.5f) v = hidden;
      Attention op = layout(3, "bshd");
      op.zero_masked_rows = dims.size() == 4;
      expect_gpu_row_matches(kRow, attend(op, {loud(1, {2, 9, 12}), loud(2, {2, 21, 12}), loud(3, {2, 21, 12}), mask}),
                             2e-5);
    }
  }
}

TEST(AttentionCuda, RowsThatSeeNothing) {
  for (float hidden : {-INFINITY, -3.4028235e38f}) {
    for (bool zero : {false, true}) {
      Tensor mask = Tensor::zeros(DType::f32, {5, 140});
      for (size_t i = 140; i < 420; ++i) mask.mutable_data<float>()[i] = hidden;  // rows 1 and 2
      for (size_t i = 420; i < 550; ++i) mask.mutable_data<float>()[i] = hidden;  // most of row 3
      Attention op = layout(1, "bshd");
      op.zero_masked_rows = zero;
      expect_gpu_row_matches(kRow, attend(op, {loud(1, {1, 5, 4}), loud(2, {1, 140, 4}), loud(3, {1, 140, 4}), mask}),
                             2e-5);
    }
  }
}

TEST(AttentionCuda, Epilogue) {
  RowCase c = attend(layout(3, "bhsd"), {loud(1, {2, 3, 11, 8}), loud(2, {2, 3, 13, 8}), loud(3, {2, 3, 13, 8})});
  add_epilogue(c, {random_tensor(4, {2, 3, 11, 8}), random_tensor(5, {8})}, op("relu"));
  expect_gpu_row_matches(kRow, c, 2e-5);
}

TEST(AttentionCuda, LowerPrecision) {
  RowCase c = attend(layout(2, "bhsd"), {loud(1, {1, 2, 19, 16}), loud(2, {1, 2, 21, 16}), loud(3, {1, 2, 21, 12})});
  add_epilogue(c, {random_tensor(4, {1, 2, 19, 12}), random_tensor(5, {12})}, op("relu"));
  expect_narrow_gpu_row_matches(kRow, c, 2e-5);
  expect_narrow_gpu_row_matches(kRow, attend(layout(3, "qkv"), {loud(1, {1, 9, 3 * 3 * 5})}), 2e-5);
  c = attend(layout(3, "bshd"), {loud(1, {2, 9, 12}), loud(2, {2, 21, 12}), loud(3, {2, 21, 12}), loud(4, {9, 21})});
  expect_narrow_gpu_row_matches(kRow, c, 2e-5);
  for (size_t i = 0; i < 3; ++i) c.inputs[i] = cast_to(c.inputs[i], DType::f16);
  expect_gpu_row_matches(kRow, c, 1e-3);  // the mask stays f32
}

TEST(AttentionCuda, SaysWhyNot) {
  EXPECT_EQ(gpu_refusal_of(kRow, attend(layout(1, "bhsd"),
                                        {loud(1, {1, 1, 3, 512}), loud(2, {1, 1, 3, 512}), loud(3, {1, 1, 3, 700})})),
            "a tile of heads of 512 and 700 does not fit a multiprocessor");
  RowCase c = attend(layout(2, "qkv"), {Tensor::zeros(DType::f64, {1, 5, 12})});
  EXPECT_EQ(gpu_refusal_of(kRow, c), "an operand is f64");
}

}  // namespace
}  // namespace mj
