// SPDX-License-Identifier: Apache-2.0
// The table of inner loops that isa/ compiles once per Isa. Plain C types only, so that no inline function crosses from
// code compiled for a newer instruction set into code that must run everywhere.
#pragma once

#include <cstdint>

#include "base/isa.h"

namespace mj::cpu {

// One tile: c[m][n] (+)= sum over taps t and channels k of a[t * m + i][a_offset + k] * b[t * k + k][n], in that order
// of t and k for every tile size, so an element's value depends neither on the tile it falls in nor on how K is cut.
struct TileArgs {
  const float* const* a;   // [taps][m] row pointers
  int64_t a_offset;        // floats added to each row pointer
  int64_t taps;            // row-pointer groups
  int64_t k;               // floats used of each row, per tap
  const float* b;          // packed panel at this K block: [taps * k][nr]
  int64_t b_panel_stride;  // floats from one panel to the next
  const float* prefetch;   // fetched into L2, prefetch_step floats further at each k; any readable address
  int64_t prefetch_step;
  float* c;
  int64_t ldc;
  bool accumulate;  // start from c instead of 0
  // Applied in this order when the last K block is done; all absent otherwise.
  const float* bias;      // [panels * nr] or null
  const float* residual;  // like c with its own ld, or null; must not overlap c
  int64_t ld_residual;
  bool clip;  // clamp to [lo, hi]; NaN stays NaN
  float lo, hi;
  int cut;  // of cut_tiles: how many lanes of the last vector there are, from 1
};

// What every row of depthwise convolution outputs ends with.
struct DepthwiseOutput {
  int64_t width;
  int64_t channels;
  const float* bias;  // [channels] or null
  float* out;
  int64_t ld_out;
  const float* residual;  // like out, or null
  int64_t ld_residual;
  bool clip;
  float lo, hi;
};

// One row: out[x][c] = epilogue(sum over taps of in[x * taps + t][c] * w[t][c]).
struct DepthwiseArgs : DepthwiseOutput {
  const float* const* rows;  // [width][taps] pointers to `channels` floats each
  int64_t taps;
  const float* w;  // [taps][channels]
};

// The same over the rows of an NHWC image, so that neighbours share the pixels they load:
// out[x][c] = epilogue(sum over i < kh, j < kw of rows[i][x * stride - pad_left + j][c] * w[i * kw + j][c]), of which
// pixels outside [0, image_width) add nothing.
struct DepthwiseRowArgs : DepthwiseOutput {
  const float* const* rows;  // [kh] rows of image_width pixels
  int64_t image_width, pad_left;
  int64_t kh, kw, stride;  // depthwise_row_takes(kw, stride)
  const float* w;          // [kh * kw][channels]
};
inline constexpr bool depthwise_row_takes(int64_t kw, int64_t stride) {
  return kw == 7 ? stride == 1 : (kw == 3 || kw == 5) && (stride == 1 || stride == 2);
}

// One row of nr LSTM units after the products: c = sigmoid(f) * c + sigmoid(i) * tanh(g), h = sigmoid(o) * tanh(c).
struct LstmCellArgs {
  const float* gates;     // [4][nr]: i, o, f, g before their activations
  const float* peephole;  // i, o, f of these units, peephole_stride apart, or null
  int64_t peephole_stride;
  float* c;  // old state in, new state out
  float* h;
};

// out[c] = maximum or sum of rows[t][c] over taps; a NaN among them makes the result NaN.
struct PoolArgs {
  const float* const* rows;
  int64_t taps;
  int64_t channels;
  float* out;
  bool average;
  bool accumulate;  // go on from out
  float divisor;    // of an average: applied at the end, unless 0
};

// One 4x4 patch of the image to Winograd's domain, and 2x2 outputs back.
struct WinogradInputArgs {
  const float* pixels[16];
  int64_t channels;
  float* v;  // 16 rows of `channels`, v_stride apart
  int64_t v_stride;
};
struct WinogradOutputArgs {
  const float* m;  // 16 rows of `channels`, m_stride apart
  int64_t m_stride, channels;
  float* out[4];
  const float* bias;         // or null
  const float* residual[4];  // or null
  bool clip;
  float lo, hi;
};

struct Microkernels {
  static constexpr int kMaxMr = 12;
  static constexpr int kMaxPanels = 4;
  using Tile = void (*)(const TileArgs&);

  Isa isa;
  int mr;  // rows of the largest tile
  int nr;  // columns of a packed panel
  int kc;  // K block that keeps one panel slice in L1
  // tiles[m - 1]: full panels of two vectors. wide_panels[m - 1] panels at once give a single small tile enough
  // independent sums.
  Tile tiles[kMaxMr];
  Tile wide_tiles[kMaxMr];
  int wide_panels[kMaxMr];
  // cut_tiles[v][m - 1]: the first v + 1 vectors of one panel, of which the last may be cut.
  Tile cut_tiles[2][kMaxMr];

  void (*depthwise)(const DepthwiseArgs&);
  void (*depthwise_row)(const DepthwiseRowArgs&);
  void (*lstm_cell)(const LstmCellArgs&);
  void (*pool_pixel)(const PoolArgs&);
  void (*winograd_input)(const WinogradInputArgs&);
  void (*winograd_output)(const WinogradOutputArgs&);
  // dst[k][nr] from rows: transposes `n` (<= nr) rows of length k with stride ld, zero-padding the tail.
  void (*pack_rows)(const float* rows, int64_t ld, int64_t n, int64_t k, float* dst);
  // Runs `iterations` rounds of independent multiply-adds in registers and returns their flops; for measuring the peak.
  double (*peak_loop)(int64_t iterations);
};

// The table for `isa`, which this machine must be able to run.
const Microkernels& microkernels(Isa isa);

}  // namespace mj::cpu
