// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "kernels/attention/cases_test_util.h"
#include "kernels/gpu_row_test_util.h"

namespace mj {
namespace {

constexpr const char* kRow = "attention_cuda_mma";
constexpr double kTolerance = 4e-3;  // of f16 weights and results
using Dims = std::vector<int64_t>;

Tensor loud16(uint32_t seed, Dims dims, DType dtype = DType::f16) {
  return cast_to(loud(seed, std::move(dims)), dtype);
}

TEST(AttentionMmaCuda, LengthsInEveryLayout) {
  for (const auto& [s, depth] : {std::pair<int64_t, int64_t>{1, 16}, {17, 36}, {131, 64}}) {
    const int64_t heads = 2;
    const Dims flat = {2, s, heads * depth}, outer = {2, heads, s, depth};
    expect_gpu_row_matches(kRow, attend(layout(heads, "bshd"), {loud16(1, flat), loud16(2, flat), loud16(3, flat)}),
                           kTolerance);
    if (s == 131) continue;
    expect_gpu_row_matches(kRow, attend(layout(heads, "bhsd"), {loud16(1, outer), loud16(2, outer), loud16(3, outer)}),
                           kTolerance);
    expect_gpu_row_matches(kRow, attend(layout(heads, "qkv"), {loud16(1, {2, s, 3 * heads * depth})}), kTolerance);
  }
}

TEST(AttentionMmaCuda, CausalWithFewKeyHeadsAnotherValueSizeAndMask) {
  Attention op = layout(4, "bhsd");
  op.kv_heads = 2;
  op.scale = 0.3f;
  op.causal = true;
  expect_gpu_row_matches(kRow,
                         attend(op, {loud16(1, {1, 4, 19, 8}), loud16(2, {1, 2, 70, 8}), loud16(3, {1, 2, 70, 26}),
                                     loud16(4, {1, 4, 19, 70})}),
                         kTolerance);
}

TEST(AttentionMmaCuda, QueriesThatSeeNothing) {
  Attention op = layout(1, "bhsd");
  op.zero_masked_rows = true;
  Tensor mask = random_tensor(4, {1, 1, 5, 20});
  for (size_t i = 20; i < 40; ++i) mask.mutable_data<float>()[i] = -INFINITY;
  expect_gpu_row_matches(kRow,
                         attend(op, {loud16(1, {1, 1, 5, 16}), loud16(2, {1, 1, 20, 16}), loud16(3, {1, 1, 20, 16}),
                                     cast_to(mask, DType::f16)}),
                         kTolerance);
}

TEST(AttentionMmaCuda, Bf16) {
  const Dims flat = {1, 70, 2 * 32};
  const auto x = [&](uint32_t seed) { return loud16(seed, flat, DType::bf16); };
  expect_gpu_row_matches(kRow, attend(layout(2, "bshd"), {x(1), x(2), x(3)}), 4e-2);
}

TEST(AttentionMmaCuda, Refuses) {
  const Dims wide = {1, 1, 4, 256}, odd = {1, 1, 4, 9};
  EXPECT_EQ(gpu_refusal_of(kRow, attend(layout(1, "bhsd"), {loud16(1, wide), loud16(2, wide), loud16(3, wide)})),
            "heads of more than 128");
  EXPECT_EQ(gpu_refusal_of(kRow, attend(layout(1, "bhsd"), {loud16(1, odd), loud16(2, odd), loud16(3, odd)})),
            "heads of an odd size");
}

}  // namespace
}  // namespace mj
