// SPDX-License-Identifier: Apache-2.0
// Storage types of the small floats, and their conversions from and to f32 (round to nearest even).
#pragma once

#include <cstdint>

namespace mj {

// Each is one number in memory and nothing more: maths is done in f32.
struct F16 {
  uint16_t bits = 0;
  F16() = default;
  explicit F16(float value);
  operator float() const;
};
struct Bf16 {
  uint16_t bits = 0;
  Bf16() = default;
  explicit Bf16(float value);
  operator float() const;
};

// Floats of a byte or less. Those of OCP: e4m3 has a NaN but no infinities, e2m1 has neither, e8m0 is a power of two
// without sign or zero. The fnuz forms have one NaN, no infinities and no negative zero.
enum class SmallFormat : uint8_t { e4m3, e5m2, e4m3fnuz, e5m2fnuz, e2m1, e8m0 };

// From f32, what is beyond the largest number becomes infinite, NaN where there are no infinities (which in e8m0 also 0
// and negative numbers become), and where there is no NaN either the largest number (and NaN becomes -0). Nothing
// saturates otherwise: that is what casts do. Halves round to even, in e8m0 up.
template <SmallFormat kFormat>
struct SmallFloat {
  uint8_t bits = 0;
  SmallFloat() = default;
  explicit SmallFloat(float value);
  operator float() const;
};
using F8E4M3 = SmallFloat<SmallFormat::e4m3>;
using F8E5M2 = SmallFloat<SmallFormat::e5m2>;
using F8E4M3Fnuz = SmallFloat<SmallFormat::e4m3fnuz>;
using F8E5M2Fnuz = SmallFloat<SmallFormat::e5m2fnuz>;
using F4E2M1 = SmallFloat<SmallFormat::e2m1>;
using F8E8M0 = SmallFloat<SmallFormat::e8m0>;

}  // namespace mj
