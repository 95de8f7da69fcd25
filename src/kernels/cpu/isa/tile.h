// SPDX-License-Identifier: Apache-2.0
// The register tile of GEMM and convolution, see TileArgs in microkernels.h.
#pragma once

#include "kernels/cpu/microkernels.h"
#include "kernels/cpu/simd.h"

namespace mj::cpu::MJ_ISA_NS {

// M rows by P panels of V vectors each.
template <int M, int P, int V>
void tile(const TileArgs& t) {
  constexpr int kCols = P * V;
  constexpr int kNr = V * Vec::kLanes;
  Vec acc[M][kCols];
  if (t.accumulate) {
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i)
#pragma GCC unroll 16
      for (int j = 0; j < kCols; ++j) acc[i][j] = load(t.c + i * t.ldc + j * Vec::kLanes);
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i)
#pragma GCC unroll 16
      for (int j = 0; j < kCols; ++j) acc[i][j] = zero();
  }

  const float* b = t.b;
  const int64_t stride = t.b_panel_stride;
  const float* ahead = t.prefetch;
  const int64_t ahead_step = t.prefetch_step;
  const float* const* rows = t.a;
  for (int64_t tap = 0; tap < t.taps; ++tap, rows += M) {
    const float* a[M];
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i) a[i] = rows[i] + t.a_offset;
      // Unrolled, since each instruction of the loop itself shows where a core's other hardware thread is busy.
#pragma GCC unroll 4
    for (int64_t k = 0; k < t.k; ++k, b += kNr, ahead += ahead_step) {
      __builtin_prefetch(ahead, 0, 2);
      Vec w[kCols];
#pragma GCC unroll 16
      for (int p = 0; p < P; ++p)
#pragma GCC unroll 16
        for (int j = 0; j < V; ++j) w[p * V + j] = load(b + p * stride + j * Vec::kLanes);
#pragma GCC unroll 16
      for (int i = 0; i < M; ++i) {
        const Vec x = splat(a[i][k]);
#pragma GCC unroll 16
        for (int j = 0; j < kCols; ++j) acc[i][j] = fma(x, w[j], acc[i][j]);
      }
    }
  }

  if (t.bias) {
#pragma GCC unroll 16
    for (int j = 0; j < kCols; ++j) {
      const Vec bias = load(t.bias + j * Vec::kLanes);
#pragma GCC unroll 16
      for (int i = 0; i < M; ++i) acc[i][j] = acc[i][j] + bias;
    }
  }
  if (t.residual) {
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i)
#pragma GCC unroll 16
      for (int j = 0; j < kCols; ++j) acc[i][j] = acc[i][j] + load(t.residual + i * t.ld_residual + j * Vec::kLanes);
  }
  if (t.clip) {
    const Vec lo = splat(t.lo), hi = splat(t.hi);
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i)
#pragma GCC unroll 16
      for (int j = 0; j < kCols; ++j) acc[i][j] = min(hi, max(lo, acc[i][j]));
  }
#pragma GCC unroll 16
  for (int i = 0; i < M; ++i)
#pragma GCC unroll 16
    for (int j = 0; j < kCols; ++j) store(t.c + i * t.ldc + j * Vec::kLanes, acc[i][j]);
}

}  // namespace mj::cpu::MJ_ISA_NS
