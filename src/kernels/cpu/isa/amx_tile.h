// SPDX-License-Identifier: Apache-2.0
// A product of bf16 in AMX tiles. `Tiles` are the machine's, or a test's that do as the manual says.
#pragma once

#include "kernels/cpu/bf16.h"

namespace mj::cpu {

#if defined(__AMX_BF16__)

// All eight tiles of 16 rows by 64 bytes. Inline assembly, since the compiler's own macros take literal numbers alone
// and do not say that they read memory.
struct AmxTiles {
  static void enter() {
    alignas(64) uint8_t config[64] = {1};  // palette 1; bytes 16 + 2 i: bytes of a row of tile i; 48 + i: its rows
    for (int i = 0; i < 8; ++i) {
      config[16 + 2 * i] = 64;
      config[48 + i] = 16;
    }
    __asm__ volatile("ldtilecfg %0" : : "m"(config));
  }
  static void leave() { __asm__ volatile("tilerelease"); }

  template <int N>
  void zero() {
    __asm__ volatile("tilezero %%tmm%c0" : : "n"(N));
  }
  // `stride` in bytes, from row to row.
  template <int N>
  void load(const void* p, int64_t stride) {
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(p), "r"(stride), "n"(N) : "memory");
  }
  template <int N>
  void store(void* p, int64_t stride) {
    __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(p), "r"(stride), "n"(N) : "memory");
  }
  // C += A B
  template <int C, int A, int B>
  void dot() {
    __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "n"(C), "n"(A), "n"(B));
  }
};

#endif

// Tiles 0 to 3 hold the sums (strip by half a panel), 4 and 5 the strips, 6 and 7 the halves of the panel.
template <class Tiles, bool kTwoStrips>
void amx_strips(Tiles& tiles, const Bf16TileArgs& t) {
  constexpr int64_t kA = kBf16Strip * kBf16Deep, kB = kBf16Panel * kBf16Deep;  // elements of a tile of k
  constexpr int64_t kRowA = kBf16Deep * 2, kRowB = kBf16Panel * 4, kRowC = kBf16Panel * 4, kHalf = 16;
  float* const low = t.sums + kBf16Strip * kBf16Panel;  // of the second strip
  if (t.accumulate) {
    tiles.template load<0>(t.sums, kRowC);
    tiles.template load<1>(t.sums + kHalf, kRowC);
    if constexpr (kTwoStrips) {
      tiles.template load<2>(low, kRowC);
      tiles.template load<3>(low + kHalf, kRowC);
    }
  } else {
    tiles.template zero<0>();
    tiles.template zero<1>();
    if constexpr (kTwoStrips) {
      tiles.template zero<2>();
      tiles.template zero<3>();
    }
  }
  const uint16_t *a = t.a, *b = t.b;
  for (int64_t k = 0; k < t.k_tiles; ++k, a += kA, b += kB) {
    tiles.template load<6>(b, kRowB);
    tiles.template load<4>(a, kRowA);
    tiles.template dot<0, 4, 6>();
    tiles.template load<7>(b + 2 * kHalf, kRowB);
    tiles.template dot<1, 4, 7>();
    if constexpr (kTwoStrips) {
      tiles.template load<5>(a + t.strip_stride, kRowA);
      tiles.template dot<2, 5, 6>();
      tiles.template dot<3, 5, 7>();
    }
  }
  tiles.template store<0>(t.sums, kRowC);
  tiles.template store<1>(t.sums + kHalf, kRowC);
  if constexpr (kTwoStrips) {
    tiles.template store<2>(low, kRowC);
    tiles.template store<3>(low + kHalf, kRowC);
  }
}

template <class Tiles>
void amx_tile(const Bf16TileArgs& t) {
  Tiles tiles;
  if (t.m > kBf16Strip)
    amx_strips<Tiles, true>(tiles, t);
  else
    amx_strips<Tiles, false>(tiles, t);
}

}  // namespace mj::cpu
