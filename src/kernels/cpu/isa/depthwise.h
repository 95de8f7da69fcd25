// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution, vectorized over channels; see DepthwiseArgs.
#pragma once

#include "kernels/cpu/microkernels.h"
#include "kernels/cpu/simd.h"

namespace mj::cpu::MJ_ISA_NS {

// Bias, residual and clamp of X pixels by V vectors of channels, of which the last holds `tail` lanes when Tail.
// Inlined, lest the sums live in memory.
template <int X, int V, bool Tail>
[[gnu::always_inline]] inline void finish_depthwise(const DepthwiseOutput& d, int64_t x0, int64_t c0, int tail,
                                                    const Vec (&acc)[X][V]) {
  const auto get = [&](const float* p, int j) {
    return Tail && j == V - 1 ? load_n(p + j * Vec::kLanes, tail) : load(p + j * Vec::kLanes);
  };
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
  finish_depthwise<X, V, Tail>(d, x0, c0, tail, acc);
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
  switch (d.width - x) {
    case 3:
      return depthwise_pixels<3>(d, x);
    case 2:
      return depthwise_pixels<2>(d, x);
    case 1:
      return depthwise_pixels<1>(d, x);
  }
}

// X neighbours at once: each pixel of a kernel row is loaded once for all the outputs whose windows hold it. Edge: some
// of these pixels are outside the image.
template <int Kw, int Stride, int X, bool Tail, bool Edge>
void depthwise_window(const DepthwiseRowArgs& d, int64_t x0, int64_t c0, int tail) {
  const auto get = [&](const float* p) { return Tail ? load_n(p, tail) : load(p); };
  Vec acc[X][1];
#pragma GCC unroll 8
  for (int x = 0; x < X; ++x) acc[x][0] = zero();
  const int64_t first = x0 * Stride - d.pad_left;
  const float* weights = d.w + c0;
  for (int64_t i = 0; i < d.kh; ++i) {
    Vec w[Kw];
#pragma GCC unroll 8
    for (int j = 0; j < Kw; ++j, weights += d.channels) w[j] = get(weights);
    const float* row = d.rows[i] + c0;
    int64_t at = first * d.channels;
#pragma GCC unroll 32
    for (int t = 0; t < (X - 1) * Stride + Kw; ++t, at += d.channels) {
      if (Edge && (first + t < 0 || first + t >= d.image_width)) continue;
      const Vec v = get(row + at);
#pragma GCC unroll 8
      for (int x = 0; x < X; ++x)
        if (t >= x * Stride && t < x * Stride + Kw) acc[x][0] = fma(v, w[t - x * Stride], acc[x][0]);
    }
  }
  finish_depthwise<X, 1, Tail>(d, x0, c0, tail, acc);
}

template <int Kw, int Stride, int X, bool Edge>
void depthwise_channels(const DepthwiseRowArgs& d, int64_t x) {
  int64_t c = 0;
  for (; c + Vec::kLanes <= d.channels; c += Vec::kLanes) depthwise_window<Kw, Stride, X, false, Edge>(d, x, c, 0);
  if (c < d.channels) depthwise_window<Kw, Stride, X, true, Edge>(d, x, c, static_cast<int>(d.channels - c));
}

template <int Kw, int Stride, int X>
void depthwise_windows(const DepthwiseRowArgs& d, int64_t x) {
  const int64_t first = x * Stride - d.pad_left;
  if (first < 0 || first + (X - 1) * Stride + Kw > d.image_width)
    depthwise_channels<Kw, Stride, X, true>(d, x);
  else
    depthwise_channels<Kw, Stride, X, false>(d, x);
}

// 7 sums, 7 weights and a pixel fit 16 registers.
template <int Kw, int Stride>
void depthwise_row_of(const DepthwiseRowArgs& d) {
  int64_t x = 0;
  for (; x + 7 <= d.width; x += 7) depthwise_windows<Kw, Stride, 7>(d, x);
  for (; x + 4 <= d.width; x += 4) depthwise_windows<Kw, Stride, 4>(d, x);
  for (; x < d.width; ++x) depthwise_windows<Kw, Stride, 1>(d, x);
}

inline void depthwise_row(const DepthwiseRowArgs& d) {
  const bool twice = d.stride == 2;
  if (d.kw == 3) return twice ? depthwise_row_of<3, 2>(d) : depthwise_row_of<3, 1>(d);
  if (d.kw == 5) return twice ? depthwise_row_of<5, 2>(d) : depthwise_row_of<5, 1>(d);
  depthwise_row_of<7, 1>(d);
}

}  // namespace mj::cpu::MJ_ISA_NS
