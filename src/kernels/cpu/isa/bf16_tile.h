// SPDX-License-Identifier: Apache-2.0
// A product of bf16 in vector registers: of each pair of k the odd product is added first, as vdpbf16ps does.
#pragma once

#include "kernels/cpu/bf16.h"
#include "kernels/cpu/simd.h"

namespace mj::cpu::MJ_ISA_NS {

#if defined(__AVX512BF16__)

struct Pairs {
  __m512bh v;
};
inline Pairs load_pairs(const uint16_t* p) { return {reinterpret_cast<__m512bh>(_mm512_loadu_si512(p))}; }
inline Pairs splat_pair(const uint16_t* p) {
  int32_t pair;
  __builtin_memcpy(&pair, p, sizeof pair);
  return {reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair))};
}
inline Vec dot(Vec sum, Pairs a, Pairs b) { return {_mm512_dpbf16_ps(sum.v, a.v, b.v)}; }

#else

struct Pairs {
  Vec even, odd;
};
inline Pairs split(Words pairs) {
  return {{reinterpret_cast<decltype(Vec::v)>(pairs << 16)}, {reinterpret_cast<decltype(Vec::v)>(pairs & 0xffff0000u)}};
}
inline Pairs load_pairs(const uint16_t* p) {
  Words words;
  __builtin_memcpy(&words, p, sizeof words);
  return split(words);
}
inline Pairs splat_pair(const uint16_t* p) {
  uint32_t pair;
  __builtin_memcpy(&pair, p, sizeof pair);
  return split(Words{} + pair);
}
inline Vec dot(Vec sum, Pairs a, Pairs b) { return fma(a.even, b.even, fma(a.odd, b.odd, sum)); }

#endif

// Rows and vectors of columns in registers at once.
#if defined(__AVX512F__)
constexpr int kBf16Rows = 8;
#else
constexpr int kBf16Rows = 4;
#endif
constexpr int kBf16Vectors = 2;

// M rows of a strip by kBf16Vectors vectors of columns.
template <int M>
void bf16_rows(const uint16_t* a, const uint16_t* b, int64_t k_tiles, float* sums, bool accumulate) {
  constexpr int kV = kBf16Vectors;
  Vec acc[M][kV];
#pragma GCC unroll 8
  for (int i = 0; i < M; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < kV; ++j) acc[i][j] = accumulate ? load(sums + i * kBf16Panel + j * Vec::kLanes) : zero();
  for (int64_t tile = 0; tile < k_tiles; ++tile, a += kBf16Strip * kBf16Deep)
    for (int64_t p = 0; p < kBf16Deep; p += 2, b += 2 * kBf16Panel) {
      Pairs w[kV];
#pragma GCC unroll 2
      for (int j = 0; j < kV; ++j) w[j] = load_pairs(b + 2 * j * Vec::kLanes);
#pragma GCC unroll 8
      for (int i = 0; i < M; ++i) {
        const Pairs x = splat_pair(a + i * kBf16Deep + p);
#pragma GCC unroll 2
        for (int j = 0; j < kV; ++j) acc[i][j] = dot(acc[i][j], x, w[j]);
      }
    }
#pragma GCC unroll 8
  for (int i = 0; i < M; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < kV; ++j) store(sums + i * kBf16Panel + j * Vec::kLanes, acc[i][j]);
}

inline void bf16_tile(const Bf16TileArgs& t) {
  using Rows = void (*)(const uint16_t*, const uint16_t*, int64_t, float*, bool);
#if defined(__AVX512F__)
  constexpr Rows kRows[] = {bf16_rows<1>, bf16_rows<2>, bf16_rows<3>, bf16_rows<4>,
                            bf16_rows<5>, bf16_rows<6>, bf16_rows<7>, bf16_rows<8>};
#else
  constexpr Rows kRows[] = {bf16_rows<1>, bf16_rows<2>, bf16_rows<3>, bf16_rows<4>};
#endif
  constexpr int64_t kColumns = kBf16Vectors * Vec::kLanes;
  for (int64_t i = 0; i < t.m; i += kBf16Rows) {
    const uint16_t* a = t.a + i / kBf16Strip * t.strip_stride + i % kBf16Strip * kBf16Deep;
    const Rows rows = kRows[min64(kBf16Rows, t.m - i) - 1];
    for (int64_t j = 0; j < kBf16Panel; j += kColumns)
      rows(a, t.b + 2 * j, t.k_tiles, t.sums + i * kBf16Panel + j, t.accumulate);
  }
}

}  // namespace mj::cpu::MJ_ISA_NS
