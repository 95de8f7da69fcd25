// SPDX-License-Identifier: Apache-2.0
#include "base/half.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace mj {
namespace {

// What the upper bit patterns mean.
enum class Top : uint8_t {
  ieee,    // the largest exponent is infinity and NaN
  nan,     // the largest pattern is NaN
  fnuz,    // all are numbers; minus zero is the only NaN
  numbers  // all are numbers
};

// A small binary float: sign, `exponent_bits`, `mantissa_bits`.
struct Format {
  int exponent_bits, mantissa_bits;
  Top top;

  int bias() const { return (1 << (exponent_bits - 1)) - (top == Top::fnuz ? 0 : 1); }
  int sign_shift() const { return exponent_bits + mantissa_bits; }
  int max_exponent() const { return (1 << exponent_bits) - 1; }
  // The largest finite bit pattern without the sign.
  uint32_t largest() const {
    const uint32_t all = (1u << sign_shift()) - 1;
    return top == Top::ieee ? all - (1u << mantissa_bits) : top == Top::nan ? all - 1 : all;
  }
};

constexpr Format format_of(SmallFormat format) {
  switch (format) {
    case SmallFormat::e4m3:
      return {4, 3, Top::nan};
    case SmallFormat::e5m2:
      return {5, 2, Top::ieee};
    case SmallFormat::e4m3fnuz:
      return {4, 3, Top::fnuz};
    case SmallFormat::e5m2fnuz:
      return {5, 2, Top::fnuz};
    case SmallFormat::e2m1:
    case SmallFormat::e8m0:
      break;
  }
  return {2, 1, Top::numbers};
}

float decode(uint32_t bits, Format f) {
  const uint32_t sign_bit = 1u << f.sign_shift(), magnitude = bits & (sign_bit - 1);
  const float sign = bits & sign_bit ? -1.0f : 1.0f;
  if (f.top == Top::fnuz && bits == sign_bit) return std::numeric_limits<float>::quiet_NaN();
  if (magnitude > f.largest()) {
    const bool infinite = f.top == Top::ieee && magnitude == f.largest() + 1;
    return infinite ? sign * std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
  }
  const int exponent = static_cast<int>(magnitude >> f.mantissa_bits);
  const int mantissa = static_cast<int>(magnitude) & ((1 << f.mantissa_bits) - 1);
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), 1 - f.bias() - f.mantissa_bits);
  return sign *
         std::ldexp(static_cast<float>(mantissa + (1 << f.mantissa_bits)), exponent - f.bias() - f.mantissa_bits);
}

uint32_t encode(float value, Format f) {
  const uint32_t sign_bit = 1u << f.sign_shift(), sign = std::signbit(value) ? sign_bit : 0;
  if (std::isnan(value)) {
    if (f.top == Top::fnuz || f.top == Top::numbers) return sign_bit;
    return sign | (f.largest() + (f.top == Top::ieee ? 1u + (1u << (f.mantissa_bits - 1)) : 1u));
  }
  const float magnitude = std::fabs(value);
  uint32_t bits = f.largest() + 1;
  if (!std::isinf(magnitude)) {
    int exponent = 0;
    std::frexp(magnitude, &exponent);  // magnitude = m * 2^exponent, m in [0.5, 1)
    // Zero has no exponent of its own (frexp says 0): it is a subnormal without a mantissa.
    const int normal = magnitude == 0 || exponent - 1 < 1 - f.bias() ? 1 - f.bias() : exponent - 1;
    const float steps = std::nearbyint(std::ldexp(magnitude, f.mantissa_bits - normal));  // half to even
    const auto mantissa = static_cast<uint32_t>(steps);
    const auto base = static_cast<uint32_t>(normal + f.bias() - 1) << f.mantissa_bits;
    // A carry runs into the exponent.
    if (normal + f.bias() - 1 <= f.max_exponent()) bits = std::min(base + mantissa, f.largest() + 1);
  }
  if (bits > f.largest() && f.top == Top::fnuz) return sign_bit;
  if (bits > f.largest() && f.top == Top::numbers) bits = f.largest();
  return bits == 0 && f.top == Top::fnuz ? 0 : sign | bits;
}

// The byte is an exponent; all ones are NaN.
constexpr int kE8m0Bias = 127;
constexpr uint8_t kE8m0NaN = 0xff;

uint8_t encode_e8m0(float value) {
  if (!(value > 0) || std::isinf(value)) return kE8m0NaN;
  int exponent = 0;
  const float mantissa = std::frexp(value, &exponent);  // in [0.5, 1)
  const int stored = exponent - (mantissa < 0.75f ? 1 : 0) + kE8m0Bias;
  return stored < 0 || stored >= kE8m0NaN ? kE8m0NaN : static_cast<uint8_t>(stored);
}

float decode_e8m0(uint8_t bits) {
  return bits == kE8m0NaN ? std::numeric_limits<float>::quiet_NaN() : std::ldexp(1.0f, bits - kE8m0Bias);
}

}  // namespace

// Weights and whole tensors pass through these two.
F16::F16(float value) {
  const auto word = std::bit_cast<uint32_t>(value);
  const uint32_t sign = word >> 16 & 0x8000, magnitude = word & 0x7fff'ffff;
  uint32_t rest = 0;
  if (magnitude >= 0x4780'0000) {  // 65536 and beyond
    rest = magnitude > 0x7f80'0000 ? 0x7e00 : 0x7c00;
  } else if (magnitude >= 0x3880'0000) {  // normal numbers: the exponent moves, a carry runs into it
    rest = (magnitude - 0x3800'0000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
  } else {  // beside 0.5 the last place is that of a subnormal one
    rest = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f00'0000;
  }
  bits = static_cast<uint16_t>(sign | rest);
}
F16::operator float() const {
  const uint32_t sign = (bits & 0x8000u) << 16, magnitude = (bits & 0x7fffu) << 13;
  if (magnitude > 0x0f80'0000) return std::numeric_limits<float>::quiet_NaN();
  uint32_t word = magnitude + 0x3800'0000;
  if (magnitude == 0x0f80'0000) {
    word = 0x7f80'0000;  // infinity
  } else if (magnitude < 0x0080'0000) {
    word = std::bit_cast<uint32_t>(static_cast<float>(magnitude >> 13) * 0x1p-24f);
  }
  return std::bit_cast<float>(sign | word);
}

Bf16::Bf16(float value) {
  const auto word = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) {
    bits = static_cast<uint16_t>((word >> 16) | 0x40);
  } else {
    bits = static_cast<uint16_t>((word + 0x7fff + ((word >> 16) & 1)) >> 16);
  }
}
Bf16::operator float() const { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

template <SmallFormat kFormat>
SmallFloat<kFormat>::SmallFloat(float value) {
  if constexpr (kFormat == SmallFormat::e8m0) {
    bits = encode_e8m0(value);
  } else {
    bits = static_cast<uint8_t>(encode(value, format_of(kFormat)));
  }
}

template <SmallFormat kFormat>
SmallFloat<kFormat>::operator float() const {
  if constexpr (kFormat == SmallFormat::e8m0) {
    return decode_e8m0(bits);
  } else {
    return decode(bits, format_of(kFormat));
  }
}

template struct SmallFloat<SmallFormat::e4m3>;
template struct SmallFloat<SmallFormat::e5m2>;
template struct SmallFloat<SmallFormat::e4m3fnuz>;
template struct SmallFloat<SmallFormat::e5m2fnuz>;
template struct SmallFloat<SmallFormat::e2m1>;
template struct SmallFloat<SmallFormat::e8m0>;

}  // namespace mj
