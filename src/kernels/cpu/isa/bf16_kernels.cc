// SPDX-License-Identifier: Apache-2.0
// Compiled once per Isa, and once more for each unit that multiplies bf16.
#include "kernels/cpu/bf16.h"
#include "kernels/cpu/isa/amx_tile.h"
#include "kernels/cpu/isa/bf16_tile.h"
#include "kernels/cpu/simd.h"

namespace mj::cpu::MJ_ISA_NS {

extern const Bf16Kernels kBf16Kernels;

namespace {

#if defined(__AVX512BF16__)

inline void round_32(const float* x, uint16_t* y) {
  const __m512bh rounded = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(x + 16), _mm512_loadu_ps(x));
  _mm512_storeu_si512(y, reinterpret_cast<__m512i>(rounded));
}

#else

// A NaN is told from the rest by its bits, so that the loop has no branch.
inline void round_32(const float* x, uint16_t* y) {
  uint32_t words[kBf16Deep];
  __builtin_memcpy(words, x, sizeof words);
  for (int i = 0; i < kBf16Deep; ++i) {
    const uint32_t w = words[i];
    const bool nan = (w & 0x7fffffffu) > 0x7f800000u;
    y[i] = static_cast<uint16_t>((nan ? w | 0x400000u : w + 0x7fffu + ((w >> 16) & 1u)) >> 16);
  }
}

#endif

void round(const float* x, int64_t n, uint16_t* y) {
  int64_t i = 0;
  for (; i + kBf16Deep <= n; i += kBf16Deep) round_32(x + i, y + i);
  if (i == n) return;
  float rest[kBf16Deep] = {};
  uint16_t rounded[kBf16Deep];
  for (int64_t j = i; j < n; ++j) rest[j - i] = x[j];
  round_32(rest, rounded);
  for (int64_t j = i; j < n; ++j) y[j] = rounded[j - i];
}

void clear_rows(uint16_t* strip, int64_t first, int64_t k_tiles) {
  for (int64_t t = 0; t < k_tiles; ++t)
    for (int64_t i = first * kBf16Deep; i < kBf16Strip * kBf16Deep; ++i) strip[t * kBf16Strip * kBf16Deep + i] = 0;
}

void round_strip(const float* a, int64_t lda, int64_t m, int64_t k, uint16_t* strip) {
  constexpr int64_t kTile = kBf16Strip * kBf16Deep;
  for (int64_t i = 0; i < m; ++i) {
    const float* row = a + i * lda;
    uint16_t* to = strip + i * kBf16Deep;
    int64_t j = 0;
    for (; j + kBf16Deep <= k; j += kBf16Deep, to += kTile) round_32(row + j, to);
    if (j == k) continue;
    float rest[kBf16Deep] = {};
    for (int64_t l = j; l < k; ++l) rest[l - j] = row[l];
    round_32(rest, to);
  }
  if (m < kBf16Strip) clear_rows(strip, m, (k + kBf16Deep - 1) / kBf16Deep);
}

inline void copy_32(const uint16_t* from, uint16_t* to) { __builtin_memcpy(to, from, kBf16Deep * sizeof *to); }

void gather_strip(const Bf16GatherArgs& g) {
  constexpr int64_t kTile = kBf16Strip * kBf16Deep;
  const int64_t k = g.runs * g.run, k_tiles = (k + kBf16Deep - 1) / kBf16Deep;
  for (int64_t i = 0; i < g.m; ++i) {
    uint16_t* to = g.strip + i * kBf16Deep;
    if (g.run % kBf16Deep == 0) {
      for (int64_t r = 0; r < g.runs; ++r) {
        const uint16_t* from = g.rows[i] + g.offsets[r];
        for (int64_t j = 0; j < g.run; j += kBf16Deep, to += kTile) copy_32(from + j, to);
      }
      continue;
    }
    // Runs go one behind the other in whole vectors, of which the next run overwrites what is too much.
    for (int64_t r = 0; r < g.runs; ++r) {
      const uint16_t* from = g.rows[i] + g.offsets[r];
      for (int64_t j = 0; j < g.run; j += kBf16Deep) copy_32(from + j, g.line + r * g.run + j);
    }
    for (int64_t j = k; j < k_tiles * kBf16Deep; ++j) g.line[j] = 0;
    for (int64_t t = 0; t < k_tiles; ++t, to += kTile) copy_32(g.line + t * kBf16Deep, to);
  }
  if (g.m < kBf16Strip) clear_rows(g.strip, g.m, k_tiles);
}

void finish(const Bf16FinishArgs& f) {
  constexpr int kLanes = Vec::kLanes;
  const Vec lo = splat(f.lo), hi = splat(f.hi);
  for (int64_t i = 0; i < f.m; ++i) {
    const float* sums = f.sums + i * kBf16Panel;
    const float* residual = f.residual ? f.residual + i * f.ld_residual : nullptr;
    float* c = f.c + i * f.ldc;
    for (int64_t j = 0; j < f.n; j += kLanes) {
      const int n = static_cast<int>(min64(kLanes, f.n - j));
      const auto get = [&](const float* p) { return n == kLanes ? load(p + j) : load_n(p + j, n); };
      Vec y = load(sums + j);
      if (f.bias) y = y + get(f.bias);
      if (residual) y = y + get(residual);
      if (f.clip) y = min(hi, max(lo, y));
      if (n == kLanes)
        store(c + j, y);
      else
        store_n(c + j, y, n);
    }
  }
}

}  // namespace

#if defined(__AMX_BF16__)
const Bf16Kernels kBf16Kernels = {2e7,         AmxTiles::enter, AmxTiles::leave,    round,
                                  round_strip, gather_strip,    amx_tile<AmxTiles>, finish};
#elif defined(__AVX512BF16__)
const Bf16Kernels kBf16Kernels = {3e6, nullptr, nullptr, round, round_strip, gather_strip, bf16_tile, finish};
#else
const Bf16Kernels kBf16Kernels = {1e6, nullptr, nullptr, round, round_strip, gather_strip, bf16_tile, finish};
#endif

}  // namespace mj::cpu::MJ_ISA_NS
