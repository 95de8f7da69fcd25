// SPDX-License-Identifier: Apache-2.0
// What elementwise maths needs of a vector beyond simd.h: comparisons, roundings, roots and the parts of a float.
#pragma once

#include "kernels/cpu/simd.h"

namespace mj::cpu::MJ_ISA_NS {

#if defined(__AVX512F__)

// a == b ? x : y, and so on; a comparison with NaN is false.
inline Vec select_eq(Vec a, Vec b, Vec x, Vec y) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ), y.v, x.v)};
}
inline Vec select_le(Vec a, Vec b, Vec x, Vec y) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ), y.v, x.v)};
}
inline Vec sqrt(Vec a) { return {_mm512_sqrt_ps(a.v)}; }
inline Vec floor(Vec a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)}; }
inline Vec ceil(Vec a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC)}; }
inline Vec round_any(Vec a) { return round_even(a); }
// A positive normal number as mantissa (in [1, 2)) * 2^exponent.
inline Vec mantissa(Vec a) {
  const __m512i bits = _mm512_and_si512(_mm512_castps_si512(a.v), _mm512_set1_epi32(0x007fffff));
  return {_mm512_castsi512_ps(_mm512_or_si512(bits, _mm512_set1_epi32(0x3f800000)))};
}
inline Vec exponent(Vec a) {
  return {
      _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_srli_epi32(_mm512_castps_si512(a.v), 23), _mm512_set1_epi32(127)))};
}

// Lane i of the result is lane i ^ n of `a`, for n = 1, 2, ... kLanes / 2.
template <int N>
inline Vec swap_lanes(Vec a) {
  if constexpr (N == 8) return {_mm512_shuffle_f32x4(a.v, a.v, 0x4e)};
  if constexpr (N == 4) return {_mm512_shuffle_f32x4(a.v, a.v, 0xb1)};
  return {_mm512_permute_ps(a.v, N == 2 ? 0x4e : 0xb1)};
}
inline float first_lane(Vec a) { return _mm512_cvtss_f32(a.v); }

#elif defined(__AVX2__)

inline Vec select_eq(Vec a, Vec b, Vec x, Vec y) {
  return {_mm256_blendv_ps(y.v, x.v, _mm256_cmp_ps(a.v, b.v, _CMP_EQ_OQ))};
}
inline Vec select_le(Vec a, Vec b, Vec x, Vec y) {
  return {_mm256_blendv_ps(y.v, x.v, _mm256_cmp_ps(a.v, b.v, _CMP_LE_OQ))};
}
inline Vec sqrt(Vec a) { return {_mm256_sqrt_ps(a.v)}; }
inline Vec floor(Vec a) { return {_mm256_floor_ps(a.v)}; }
inline Vec ceil(Vec a) { return {_mm256_ceil_ps(a.v)}; }
inline Vec round_any(Vec a) { return round_even(a); }
inline Vec mantissa(Vec a) {
  const __m256i bits = _mm256_and_si256(_mm256_castps_si256(a.v), _mm256_set1_epi32(0x007fffff));
  return {_mm256_castsi256_ps(_mm256_or_si256(bits, _mm256_set1_epi32(0x3f800000)))};
}
inline Vec exponent(Vec a) {
  return {
      _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_srli_epi32(_mm256_castps_si256(a.v), 23), _mm256_set1_epi32(127)))};
}

template <int N>
inline Vec swap_lanes(Vec a) {
  if constexpr (N == 4) return {_mm256_permute2f128_ps(a.v, a.v, 1)};
  return {_mm256_permute_ps(a.v, N == 2 ? 0x4e : 0xb1)};
}
inline float first_lane(Vec a) { return _mm256_cvtss_f32(a.v); }

#else

inline Vec select_eq(Vec a, Vec b, Vec x, Vec y) { return {a.v == b.v ? x.v : y.v}; }
inline Vec select_le(Vec a, Vec b, Vec x, Vec y) { return {a.v <= b.v ? x.v : y.v}; }
inline Vec sqrt(Vec a) {
  Vec out{};
  for (int i = 0; i < Vec::kLanes; ++i) out.v[i] = __builtin_sqrtf(a.v[i]);
  return out;
}
// From 2^23 on every float is integral.
inline Vec round_any(Vec a) {
  const Vec big = splat(8388608.0f);
  return select_lt(abs(a), big, copysign((abs(a) + big) - big, a), a);
}
inline Vec floor(Vec a) {
  const Vec r = round_any(a);
  return copysign(select_lt(a, r, r - splat(1.0f), r), a);
}
inline Vec ceil(Vec a) {
  const Vec r = round_any(a);
  return copysign(select_lt(r, a, r + splat(1.0f), r), a);
}
inline Vec mantissa(Vec a) {
  return {reinterpret_cast<Float4>((reinterpret_cast<Int4>(a.v) & 0x007fffff) | 0x3f800000)};
}
inline Vec exponent(Vec a) { return {__builtin_convertvector((reinterpret_cast<Int4>(a.v) >> 23) - 127, Float4)}; }

template <int N>
inline Vec swap_lanes(Vec a) {
  return {N == 2 ? Float4{a.v[2], a.v[3], a.v[0], a.v[1]} : Float4{a.v[1], a.v[0], a.v[3], a.v[2]}};
}
inline float first_lane(Vec a) { return a.v[0]; }

#endif

// NaN where x is, else y.
inline Vec keep_nan(Vec x, Vec y) { return select_eq(x, x, y, x); }

}  // namespace mj::cpu::MJ_ISA_NS
