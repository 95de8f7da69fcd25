// SPDX-License-Identifier: Apache-2.0
#include "ops/attention.h"

#include <cmath>

#include "kernels/attention/cases_test_util.h"
#include "kernels/row_test_util.h"

namespace mj {
namespace {

using Dims = std::vector<int64_t>;

TEST(AttentionRow, EveryLengthInEveryLayout) {
  for (int64_t s : {1, 2, 17, 49, 128, 512}) {
    const int64_t heads = 3, depth = s == 17 ? 5 : 64;
    const Dims flat = {2, s, heads * depth}, outer = {2, heads, s, depth};
    expect_row_matches("attention_f32", attend(layout(heads, "bshd"), {loud(1, flat), loud(2, flat), loud(3, flat)}),
                       2e-5);
    expect_row_matches("attention_f32", attend(layout(heads, "bhsd"), {loud(1, outer), loud(2, outer), loud(3, outer)}),
                       2e-5);
    expect_row_matches("attention_f32", attend(layout(heads, "qkv"), {loud(1, {2, s, 3 * heads * depth})}), 2e-5);
  }
}

TEST(AttentionRow, CrossAttentionWithFewKeyHeadsAndAnotherValueSize) {
  Attention op = layout(6, "bhsd");
  op.kv_heads = 2;
  op.scale = 0.3f;
  expect_row_matches("attention_f32",
                     attend(op, {loud(1, {1, 6, 19, 8}), loud(2, {1, 2, 31, 8}), loud(3, {1, 2, 31, 13})}), 2e-5);
}

TEST(AttentionRow, CausalWithMoreAndFewerKeysThanQueries) {
  for (const auto& [queries, keys] : {std::pair<int64_t, int64_t>{60, 60}, {7, 90}, {33, 20}}) {
    for (bool zero : {false, true}) {
      Attention op = layout(2, "bhsd");
      op.causal = true;
      op.zero_masked_rows = zero;
      expect_row_matches(
          "attention_f32",
          attend(op, {loud(1, {2, 2, queries, 16}), loud(2, {2, 2, keys, 16}), loud(3, {2, 2, keys, 16})}), 2e-5);
    }
  }
}

TEST(AttentionRow, MasksBroadcast) {
  for (const Dims& dims : {Dims{2, 1, 1, 21}, Dims{2, 3, 9, 21}, Dims{9, 21}, Dims{21}, Dims{1, 3, 9, 1}, Dims{}}) {
    Tensor mask = random_tensor(4, dims);
    for (float& v : mask.mutable_data<float>())
      if (v > 0.5f) v = -INFINITY;
    for (bool zero : {false, true}) {
      Attention op = layout(3, "bshd");
      op.zero_masked_rows = zero;
      expect_row_matches("attention_f32",
                         attend(op, {loud(1, {2, 9, 12}), loud(2, {2, 21, 12}), loud(3, {2, 21, 12}), mask}), 2e-5);
    }
  }
}

TEST(AttentionRow, EmptyBatches) {
  expect_row_matches("attention_f32", attend(layout(2, "qkv"), {loud(1, {0, 5, 12})}), 0);
  expect_row_matches("attention_f32", attend(layout(2, "qkv"), {loud(1, {2, 0, 12})}), 0);
}

TEST(AttentionRow, ARequestEqualsItselfWithinABatch) {
  const Tensor all = loud(1, {5, 37, 3 * 2 * 32});
  RowCase c = attend(layout(2, "qkv"), {all});
  complete(c);
  const Tensor together = run_row("attention_f32", c, detect_isa(), 2)[0];
  const int64_t size = 37 * 3 * 2 * 32;
  for (int64_t b = 0; b < 5; ++b) {
    RowCase one = attend(
        layout(2, "qkv"),
        {Tensor::of<float>({1, 37, 3 * 2 * 32},
                           all.data<float>().subspan(static_cast<size_t>(b * size), static_cast<size_t>(size)))});
    complete(one);
    const Tensor alone = run_row("attention_f32", one, detect_isa(), 1)[0];
    for (int64_t i = 0; i < alone.size(); ++i) {
      ASSERT_EQ(alone.data<float>()[static_cast<size_t>(i)],
                together.data<float>()[static_cast<size_t>(b * alone.size() + i)]);
    }
  }
}

}  // namespace
}  // namespace mj
