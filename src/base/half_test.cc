// SPDX-License-Identifier: Apache-2.0
#include "base/half.h"

#include <gtest/gtest.h>

#include <cmath>

namespace mj {
namespace {

template <class Half>
void every_pattern_survives() {
  const int patterns = 1 << (8 * sizeof(Half));
  for (int i = 0; i < patterns; ++i) {
    Half half;
    half.bits = static_cast<decltype(half.bits)>(i);
    const float value = half;
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(static_cast<float>(Half(value)))) << i;
    } else if (!std::isinf(value)) {
      EXPECT_EQ(Half(value).bits, half.bits) << i << " is " << value;
    }
  }
}

TEST(half, every_pattern_survives_the_way_to_f32_and_back) {
  every_pattern_survives<F16>();
  every_pattern_survives<Bf16>();
  every_pattern_survives<F8E4M3>();
  every_pattern_survives<F8E5M2>();
}

TEST(half, rounds_to_nearest_even_and_overflows) {
  EXPECT_EQ(F16(0.0f).bits, 0);
  EXPECT_EQ(F16(-0.0f).bits, 0x8000);
  EXPECT_EQ(F16(1.0f + 1.0f / 2048).bits, 0x3c00) << "half a step: to the even one";
  EXPECT_EQ(F16(1.0f + 3.0f / 2048).bits, 0x3c02);
  EXPECT_EQ(F16(65519.0f).bits, 0x7bff);
  EXPECT_EQ(F16(65520.0f).bits, 0x7c00);
  EXPECT_EQ(F16(2e-8f).bits, 0);
  EXPECT_EQ(F16(6e-8f).bits, 1);
  EXPECT_EQ(static_cast<float>(F8E4M3(1e6f)), 448.0f);
}

}  // namespace
}  // namespace mj
