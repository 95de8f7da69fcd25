// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution, vectorized over channels; see DepthwiseArgs.
#pragma once

#include "kernels/cpu/microkernels.h"
#include "kernels/cpu/simd.h"

namespace mj::cpu::MJ_ISA_NS {

// X pixels by V vectors of channels; the last vector holds `tail` lanes when Tail.
template <int X, int V, bool Tail>
void depthwise_block(const DepthwiseArgs& d, int64_t x0, int64_t c0, int tail) {
  const auto get = [&](const float* p, int j) {
    return Tail && j == V - 1 ? load_n(p + j * Vec::kLanes, tail) : load(p + j * Vec::kLanes);
  };
  Vec acc[X][V];
#pragma GCC unroll 8
  for (int x = 0; x < X; ++x)
#pragma GCC unroll 8
    for (int j = 0; j < V; ++j) acc[x][j] = zero();
  const float* const* rows = d.rows + x0 * d.taps;
  for (int64_t t = 0; t < d.taps; ++t) {
    Vec w[V];
#pragma GCC unroll 8
    for (int j = 0; j < V; ++j) w[j] = get(d.w + t * d.channels + c0, j);
#pragma GCC unroll 8
    for (int x = 0; x < X; ++x) {
      const float* in = rows[x * d.taps + t] + c0;
#pragma GCC unroll 8
      for (int j = 0; j < V; ++j) acc[x][j] = fma(get(in, j), w[j], acc[x][j]);
    }
  }
#pragma GCC unroll 8
  for (int j = 0; j < V; ++j) {
    const Vec bias = d.bias ? get(d.bias + c0, j) : zero();
    const Vec lo = splat(d.lo), hi = splat(d.hi);
#pragma GCC unroll 8
    for (int x = 0; x < X; ++x) {
      Vec y = d.bias ? acc[x][j] + bias : acc[x][j];
      if (d.residual) y = y + get(d.residual + (x0 + x) * d.ld_residual + c0, j);
      if (d.clip) y = min(hi, max(lo, y));
      float* out = d.out + (x0 + x) * d.ld_out + c0 + j * Vec::kLanes;
      if (Tail && j == V - 1)
        store_n(out, y, tail);
      else
        store(out, y);
    }
  }
}

// All channels of a few pixels before the next: the taps are then read, and the result is written, in one stream each.
template <int X>
void depthwise_pixels(const DepthwiseArgs& d, int64_t x) {
  int64_t c = 0;
  for (; c + 2 * Vec::kLanes <= d.channels; c += 2 * Vec::kLanes) depthwise_block<X, 2, false>(d, x, c, 0);
  for (; c + Vec::kLanes <= d.channels; c += Vec::kLanes) depthwise_block<X, 1, false>(d, x, c, 0);
  if (c < d.channels) depthwise_block<X, 1, true>(d, x, c, static_cast<int>(d.channels - c));
}

inline void depthwise(const DepthwiseArgs& d) {
  int64_t x = 0;
  for (; x + 4 <= d.width; x += 4) depthwise_pixels<4>(d, x);
  for (; x < d.width; ++x) depthwise_pixels<1>(d, x);
}

}  // namespace mj::cpu::MJ_ISA_NS
