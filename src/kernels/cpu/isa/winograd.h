// SPDX-License-Identifier: Apache-2.0
// The transforms of Winograd's F(2x2, 3x3), vectorized over channels; see WinogradArgs in microkernels.h.
#pragma once

#include "kernels/cpu/microkernels.h"
#include "kernels/cpu/simd.h"

namespace mj::cpu::MJ_ISA_NS {

// v = B' d B with B' = (1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1)
inline void winograd_input(const WinogradInputArgs& a) {
  for (int64_t c = 0; c < a.channels; c += Vec::kLanes) {
    const int lanes = static_cast<int>(min64(Vec::kLanes, a.channels - c));
    const bool whole = lanes == Vec::kLanes;
    Vec d[4][4], t[4][4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i)
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        const float* pixel = a.pixels[4 * i + j] + c;
        d[i][j] = whole ? load(pixel) : load_n(pixel, lanes);
      }
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      t[0][j] = d[0][j] - d[2][j];
      t[1][j] = d[1][j] + d[2][j];
      t[2][j] = d[2][j] - d[1][j];
      t[3][j] = d[1][j] - d[3][j];
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const Vec v[4] = {t[i][0] - t[i][2], t[i][1] + t[i][2], t[i][2] - t[i][1], t[i][1] - t[i][3]};
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        float* to = a.v + (4 * i + j) * a.v_stride + c;
        if (whole)
          store(to, v[j]);
        else
          store_n(to, v[j], lanes);
      }
    }
  }
}

// y = A' m A with A' = (1 1 1 0; 0 1 -1 -1), then the epilogue; outputs that are null lie outside the image.
inline void winograd_output(const WinogradOutputArgs& a) {
  const Vec lo = splat(a.lo), hi = splat(a.hi);
  for (int64_t c = 0; c < a.channels; c += Vec::kLanes) {
    const int lanes = static_cast<int>(min64(Vec::kLanes, a.channels - c));
    const bool whole = lanes == Vec::kLanes;
    const auto get = [&](const float* p) { return whole ? load(p + c) : load_n(p + c, lanes); };
    Vec s[2][4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const Vec m0 = get(a.m + j * a.m_stride), m1 = get(a.m + (4 + j) * a.m_stride);
      const Vec m2 = get(a.m + (8 + j) * a.m_stride), m3 = get(a.m + (12 + j) * a.m_stride);
      s[0][j] = m0 + m1 + m2;
      s[1][j] = m1 - m2 - m3;
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      Vec y[2] = {s[i][0] + s[i][1] + s[i][2], s[i][1] - s[i][2] - s[i][3]};
#pragma GCC unroll 2
      for (int j = 0; j < 2; ++j) {
        float* out = a.out[2 * i + j];
        if (!out) continue;
        if (a.bias) y[j] = y[j] + get(a.bias);
        if (a.residual[2 * i + j]) y[j] = y[j] + get(a.residual[2 * i + j]);
        if (a.clip) y[j] = min(hi, max(lo, y[j]));
        if (whole)
          store(out + c, y[j]);
        else
          store_n(out + c, y[j], lanes);
      }
    }
  }
}

}  // namespace mj::cpu::MJ_ISA_NS
