// SPDX-License-Identifier: Apache-2.0
#include "base/half.h"

#include <bit>
#include <cmath>
#include <limits>

namespace mj {
namespace {

// A small binary float: sign, `exponent_bits`, `mantissa_bits`. IEEE has infinities; OCP E4M3 does not.
struct Format {
  int exponent_bits, mantissa_bits;
  bool has_infinity;

  int bias() const { return (1 << (exponent_bits - 1)) - 1; }
  int sign_shift() const { return exponent_bits + mantissa_bits; }
  int max_exponent() const { return (1 << exponent_bits) - 1; }
};

constexpr Format kF16{5, 10, true}, kE4M3{4, 3, false}, kE5M2{5, 2, true};

float decode(uint32_t bits, Format f) {
  const int exponent = static_cast<int>(bits >> f.mantissa_bits) & f.max_exponent();
  const int mantissa = static_cast<int>(bits) & ((1 << f.mantissa_bits) - 1);
  const float sign = (bits >> f.sign_shift()) & 1 ? -1.0f : 1.0f;
  if (f.has_infinity && exponent == f.max_exponent()) {
    return mantissa ? std::numeric_limits<float>::quiet_NaN() : sign * std::numeric_limits<float>::infinity();
  }
  if (!f.has_infinity && exponent == f.max_exponent() && mantissa == (1 << f.mantissa_bits) - 1) {
    return std::numeric_limits<float>::quiet_NaN();
  }
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), 1 - f.bias() - f.mantissa_bits);
  return sign *
         std::ldexp(static_cast<float>(mantissa + (1 << f.mantissa_bits)), exponent - f.bias() - f.mantissa_bits);
}

// Largest finite bit pattern without the sign.
uint32_t largest(Format f) {
  const uint32_t all = (1u << f.sign_shift()) - 1;
  return f.has_infinity ? all - (1u << f.mantissa_bits) : all - 1;
}

uint32_t encode(float value, Format f, bool saturate) {
  const uint32_t sign = (std::bit_cast<uint32_t>(value) >> 31) << f.sign_shift();
  const uint32_t infinity = static_cast<uint32_t>(f.max_exponent()) << f.mantissa_bits;
  if (std::isnan(value)) return sign | (f.has_infinity ? infinity | (1u << (f.mantissa_bits - 1)) : largest(f) + 1);
  const float magnitude = std::fabs(value);
  uint32_t bits = largest(f) + 1;  // overflow: infinity, or NaN where there is none
  if (!std::isinf(magnitude)) {
    int exponent = 0;
    std::frexp(magnitude, &exponent);  // magnitude = m * 2^exponent, m in [0.5, 1)
    // Zero has no exponent of its own (frexp says 0): it is a subnormal without a mantissa.
    const int normal = magnitude == 0 || exponent - 1 < 1 - f.bias() ? 1 - f.bias() : exponent - 1;
    const float steps = std::nearbyint(std::ldexp(magnitude, f.mantissa_bits - normal));  // half to even
    const auto mantissa = static_cast<uint32_t>(steps);
    const auto base = static_cast<uint32_t>(normal + f.bias() - 1) << f.mantissa_bits;
    if (normal + f.bias() - 1 < f.max_exponent()) bits = base + mantissa;  // a carry runs into the exponent
    if (bits > largest(f) + 1) bits = largest(f) + 1;
  }
  if (saturate && bits > largest(f)) bits = largest(f);
  return sign | bits;
}

}  // namespace

F16::F16(float value) : bits(static_cast<uint16_t>(encode(value, kF16, false))) {}
F16::operator float() const { return decode(bits, kF16); }

Bf16::Bf16(float value) {
  const auto word = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) {
    bits = static_cast<uint16_t>((word >> 16) | 0x40);
  } else {
    bits = static_cast<uint16_t>((word + 0x7fff + ((word >> 16) & 1)) >> 16);
  }
}
Bf16::operator float() const { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

F8E4M3::F8E4M3(float value) : bits(static_cast<uint8_t>(encode(value, kE4M3, true))) {}
F8E4M3::operator float() const { return decode(bits, kE4M3); }
F8E5M2::F8E5M2(float value) : bits(static_cast<uint8_t>(encode(value, kE5M2, true))) {}
F8E5M2::operator float() const { return decode(bits, kE5M2); }

}  // namespace mj
