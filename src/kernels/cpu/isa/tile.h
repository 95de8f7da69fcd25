// SPDX-License-Identifier: Apache-2.0
// The register tile of GEMM and convolution, see TileArgs in microkernels.h.
#pragma once

#include "kernels/cpu/microkernels.h"
#include "kernels/cpu/simd.h"

namespace mj::cpu::MJ_ISA_NS {

// M rows by the first V vectors of each of P panels. Cut: of the last vector the t.cut first lanes count.
template <int M, int P, int V, bool Cut = false>
void tile(const TileArgs& t) {
  constexpr int kCols = P * V;
  constexpr int kNr = 2 * Vec::kLanes;
  static_assert(V == 2 || P == 1);
  const bool whole = !Cut || t.cut == Vec::kLanes;
  const auto get = [&](const float* p, int j) {
    return whole || j + 1 < kCols ? load(p + j * Vec::kLanes) : load_n(p + j * Vec::kLanes, t.cut);
  };
  Vec acc[M][kCols];
  if (t.accumulate) {
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i)
#pragma GCC unroll 16
      for (int j = 0; j < kCols; ++j) acc[i][j] = get(t.c + i * t.ldc, j);
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
      const Vec bias = get(t.bias, j);
#pragma GCC unroll 16
      for (int i = 0; i < M; ++i) acc[i][j] = acc[i][j] + bias;
    }
  }
  if (t.residual) {
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i)
#pragma GCC unroll 16
      for (int j = 0; j < kCols; ++j) acc[i][j] = acc[i][j] + get(t.residual + i * t.ld_residual, j);
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
    for (int j = 0; j < kCols; ++j) {
      float* c = t.c + i * t.ldc + j * Vec::kLanes;
      if (whole || j + 1 < kCols)
        store(c, acc[i][j]);
      else
        store_n(c, acc[i][j], t.cut);
    }
}

}  // namespace mj::cpu::MJ_ISA_NS
