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
// OCP 8-bit floats; conversion from f32 saturates to the largest finite value, as ONNX Cast does by default.
struct F8E4M3 {
  uint8_t bits = 0;
  F8E4M3() = default;
  explicit F8E4M3(float value);
  operator float() const;
};
struct F8E5M2 {
  uint8_t bits = 0;
  F8E5M2() = default;
  explicit F8E5M2(float value);
  operator float() const;
};

}  // namespace mj
