// SPDX-License-Identifier: Apache-2.0
#include "base/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

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
  every_pattern_survives<F8E4M3Fnuz>();
  every_pattern_survives<F8E5M2Fnuz>();
  every_pattern_survives<F8E8M0>();
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
  EXPECT_EQ(F8E4M3(464.0f).bits, 0x7e) << "half a step above 448";
  EXPECT_EQ(F8E4M3(-465.0f).bits, 0xff);
  EXPECT_EQ(F8E5M2(61439.0f).bits, 0x7b);
  EXPECT_EQ(F8E5M2(-61440.0f).bits, 0xfc);
}

TEST(half, rounds_at_the_middle_of_every_two_neighbours) {
  for (uint32_t i = 0; i < 0x7c00; ++i) {
    F16 below, above;
    below.bits = static_cast<uint16_t>(i);
    above.bits = static_cast<uint16_t>(i + 1);
    const float next = i + 1 == 0x7c00 ? 65536.0f : static_cast<float>(above);
    const float middle = (static_cast<float>(below) + next) / 2;
    EXPECT_EQ(F16(middle).bits, i + i % 2) << middle;
    EXPECT_EQ(F16(std::nextafter(middle, 0.0f)).bits, i) << middle;
    EXPECT_EQ(F16(-std::nextafter(middle, 1e9f)).bits, 0x8000 + i + 1) << middle;
  }
  EXPECT_EQ(F16(std::numeric_limits<float>::infinity()).bits, 0x7c00);
  EXPECT_EQ(F16(-std::numeric_limits<float>::max()).bits, 0xfc00);
  EXPECT_EQ(F16(-std::numeric_limits<float>::quiet_NaN()).bits, 0xfe00);
}

TEST(half, fnuz_has_one_nan_and_one_zero) {
  EXPECT_EQ(static_cast<float>(F8E4M3Fnuz(247.0f)), 240.0f);
  EXPECT_EQ(F8E4M3Fnuz(248.0f).bits, 0x80);
  EXPECT_EQ(F8E4M3Fnuz(-0.0f).bits, 0);
  EXPECT_EQ(F8E4M3Fnuz(-1e-7f).bits, 0);
  EXPECT_EQ(F8E5M2Fnuz(57344.0f).bits, 0x7f);
  EXPECT_EQ(F8E5M2Fnuz(-std::numeric_limits<float>::infinity()).bits, 0x80);
  EXPECT_EQ(F8E5M2Fnuz(0x1p-17f).bits, 1);
}

TEST(half, four_bits_hold_eight_magnitudes) {
  const float numbers[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  for (uint8_t i = 0; i < 16; ++i) {
    const float value = i < 8 ? numbers[i] : -numbers[i - 8];
    EXPECT_EQ(F4E2M1(value).bits, i);
    EXPECT_EQ(static_cast<float>(F4E2M1(value)), value);
  }
  EXPECT_EQ(static_cast<float>(F4E2M1(0.25f)), 0.0f);
  EXPECT_EQ(static_cast<float>(F4E2M1(5.0f)), 4.0f);
  EXPECT_EQ(static_cast<float>(F4E2M1(-1e30f)), -6.0f);
  EXPECT_EQ(F4E2M1(std::numeric_limits<float>::quiet_NaN()).bits, 8);
}

TEST(half, e8m0_is_an_exponent) {
  EXPECT_EQ(F8E8M0(1.0f).bits, 127);
  EXPECT_EQ(F8E8M0(1.49f).bits, 127);
  EXPECT_EQ(F8E8M0(1.5f).bits, 128);
  EXPECT_EQ(F8E8M0(0x1p-127f).bits, 0);
  EXPECT_EQ(F8E8M0(0x1.8p127f).bits, 255) << "too large";
  EXPECT_EQ(F8E8M0(0.0f).bits, 255);
  EXPECT_EQ(F8E8M0(-2.0f).bits, 255);
}

}  // namespace
}  // namespace mj
