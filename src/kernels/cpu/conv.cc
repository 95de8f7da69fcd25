// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/conv.h"

#include <algorithm>

#include "base/align.h"
#include "base/check.h"
#include "kernels/cpu/block.h"
#include "kernels/cpu/depthwise.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/microkernels.h"

namespace mj::cpu {
namespace {

enum class Method {
  pointwise,  // 1x1, stride 1: the image is matrix A
  depthwise,  // one channel in, one out per group
  folded,     // few channels: the kw * c floats of a kernel row are contiguous in a padded copy of the image
  general,
};

Method method_of(const ConvShape& s) {
  // Below about a quarter of the K block per tap, loading row pointers shows; above, the copy costs more than it saves.
  constexpr int64_t kFewChannels = 16;
  if (s.groups > 1 && s.groups == s.c && s.groups == s.k) return Method::depthwise;
  if (s.kh == 1 && s.kw == 1 && s.stride_h == 1 && s.stride_w == 1 && s.pad_top == 0 && s.pad_left == 0 &&
      s.oh == s.h && s.ow == s.w && !s.x_nchw)
    return Method::pointwise;
  if (s.groups == 1 && s.c <= kFewChannels && s.dilation_w == 1) return Method::folded;
  return Method::general;
}

// The matrix that the tile sees. For `folded` the image is the padded copy, of which a pixel of K is a kernel row.
struct View {
  const float* image;
  int64_t row, pixel, sample;  // strides in floats
  int64_t pad_left;            // padding that the image itself does not hold
  int64_t width;
  int64_t taps_w, channels;  // taps per kernel row, floats per tap
};

View view_of(const ConvShape& s, const float* x) {
  return {x, s.w * s.c, s.c, s.h * s.w * s.c, s.pad_left, s.w, s.kw, s.c / std::max<int64_t>(1, s.groups)};
}

int64_t padded_width(const ConvShape& s) { return (s.ow - 1) * s.stride_w + s.kw; }

View folded_view(const ConvShape& s, const float* copy) {
  const int64_t width = padded_width(s);
  return {copy, width * s.c, s.c, s.h * width * s.c, 0, width, 1, s.kw * s.c};
}

// One image row into the padded copy.
void copy_padded_row(const ConvShape& s, const float* x, int64_t sample, int64_t row, float* dst) {
  const int64_t width = padded_width(s);
  const int64_t left = std::min(s.pad_left, width);
  const int64_t used = std::min(s.w, width - left);
  std::fill_n(dst, left * s.c, 0.0f);
  std::fill(dst + (left + used) * s.c, dst + width * s.c, 0.0f);
  dst += left * s.c;
  if (!s.x_nchw) {
    std::copy_n(x + (sample * s.h + row) * s.w * s.c, used * s.c, dst);
    return;
  }
  for (int64_t c = 0; c < s.c; ++c) {
    const float* plane = x + ((sample * s.c + c) * s.h + row) * s.w;
    for (int64_t i = 0; i < used; ++i) dst[i * s.c + c] = plane[i];
  }
}

// An output pixel; next() walks them in the order of the result's rows.
struct Pixel {
  Pixel(const ConvShape& s, int64_t row) : n(row / (s.ow * s.oh)), y(row / s.ow % s.oh), x(row % s.ow) {}
  void next(const ConvShape& s) {
    if (++x < s.ow) return;
    x = 0;
    if (++y < s.oh) return;
    y = 0;
    ++n;
  }
  int64_t n, y, x;
};

// Pointers to the taps of one output pixel, `stride` apart.
void tap_pointers(const ConvShape& s, const View& v, const float* zeros, const Pixel& p, int64_t stride,
                  const float** out) {
  const int64_t row0 = p.y * s.stride_h - s.pad_top, column0 = p.x * s.stride_w - v.pad_left;
  const float* image = v.image + p.n * v.sample;
  const bool whole = row0 >= 0 && row0 + (s.kh - 1) * s.dilation_h < s.h && column0 >= 0 &&
                     column0 + (v.taps_w - 1) * s.dilation_w < v.width;
  if (whole) {
    const float* first = image + row0 * v.row + column0 * v.pixel;
    for (int64_t i = 0; i < s.kh; ++i, first += s.dilation_h * v.row) {
      const float* tap = first;
      for (int64_t j = 0; j < v.taps_w; ++j, out += stride, tap += s.dilation_w * v.pixel) *out = tap;
    }
    return;
  }
  for (int64_t i = 0; i < s.kh; ++i) {
    const int64_t row = row0 + i * s.dilation_h;
    for (int64_t j = 0; j < v.taps_w; ++j, out += stride) {
      const int64_t column = column0 + j * s.dilation_w;
      const bool inside = row >= 0 && row < s.h && column >= 0 && column < v.width;
      *out = inside ? image + row * v.row + column * v.pixel : zeros;
    }
  }
}

struct Layout {
  int64_t zeros, copy, pointers;  // floats, floats, pointers per thread
  Grid grid;
  int64_t tasks;
};

// A pointer list beyond this many entries (128 KiB) would push the block itself out of L2.
constexpr int64_t kMaxPointers = 16384;

Layout layout_of(const Microkernels& kernels, const ConvShape& s, int threads) {
  const Method method = method_of(s);
  Layout l{};
  if (method == Method::pointwise && s.groups == 1) return l;
  const int64_t pixels = s.n * s.oh * s.ow;
  l.zeros = aligned_floats(std::max(s.c, s.kw * s.c));
  if (method == Method::depthwise) {
    l.pointers = s.kh + depthwise_pointers(s);
    l.tasks = s.n * s.oh;
    return l;
  }
  const bool folded = method == Method::folded;
  if (folded) l.copy = aligned_floats(s.n * s.h * padded_width(s) * s.c);
  const int64_t taps = folded ? s.kh : s.kh * s.kw;
  const int64_t channels = folded ? s.kw * s.c : s.c / s.groups;
  const int64_t max_rows = std::max<int64_t>(kernels.mr, kMaxPointers / std::max<int64_t>(1, taps));
  l.grid = choose_grid(kernels, pixels, s.k / s.groups, taps * channels, threads, max_rows);
  int64_t rows = 0;  // of the tallest block
  for (int64_t i = 0; i < l.grid.row_blocks; ++i) {
    const Range r = part(pixels, kernels.mr, l.grid.row_blocks, i);
    rows = std::max(rows, r.end - r.begin);
  }
  l.pointers = rows * taps;
  l.tasks = s.groups * l.grid.tasks();
  return l;
}

void depthwise(ThreadPool& pool, const Microkernels& kernels, const ConvShape& s, const Layout& l, const float* x,
               const float* packed, float* y, const Epilogue& e, const float* zeros, const float** pointers) {
  pool.run(l.tasks, [&](int64_t task, int thread) {
    const float** rows = pointers + thread * l.pointers;
    for (int64_t i = 0; i < s.kh; ++i) {
      const int64_t row = image_row(s, task % s.oh, i);
      rows[i] = row >= 0 && row < s.h ? x + (task / s.oh * s.h + row) * s.w * s.c : nullptr;
    }
    const int64_t row0 = task * s.ow;
    depthwise_row(kernels, s, rows, packed, y + row0 * s.c, e.residual ? e.residual + row0 * e.ld_residual : nullptr, e,
                  zeros, rows + s.kh);
    if (e.callback) e.callback(e.context, y + row0 * s.c, row0, 0, s.ow * s.c);
  });
}

}  // namespace

bool accepts_nchw(const ConvShape& s) {
  ConvShape nchw = s;
  nchw.x_nchw = true;
  return method_of(nchw) == Method::folded;
}

int64_t packed_conv_floats(Isa isa, const ConvShape& s) {
  if (method_of(s) == Method::depthwise) return s.kh * s.kw * s.c;
  return s.groups * packed_b_floats(isa, s.kh * s.kw * (s.c / s.groups), s.k / s.groups);
}

void pack_conv(Isa isa, const ConvShape& s, const float* weights, float* dst) {
  const int64_t taps = s.kh * s.kw;
  if (method_of(s) == Method::depthwise) {
    for (int64_t c = 0; c < s.c; ++c)
      for (int64_t t = 0; t < taps; ++t) dst[t * s.c + c] = weights[c * taps + t];
    return;
  }
  const int64_t nr = microkernels(isa).nr, channels = s.c / s.groups, outputs = s.k / s.groups;
  const int64_t depth = taps * channels;
  const int64_t group_floats = packed_b_floats(isa, depth, outputs);
  std::fill_n(dst, s.groups * group_floats, 0.0f);
  for (int64_t g = 0; g < s.groups; ++g)
    for (int64_t o = 0; o < outputs; ++o) {
      const float* w = weights + (g * outputs + o) * depth;
      float* column = dst + g * group_floats + o / nr * nr * depth + o % nr;
      for (int64_t c = 0; c < channels; ++c)
        for (int64_t t = 0; t < taps; ++t) column[(t * channels + c) * nr] = w[c * taps + t];
    }
}

void unpack_conv(Isa isa, const ConvShape& s, const float* packed, float* dst) {
  const int64_t taps = s.kh * s.kw;
  if (method_of(s) == Method::depthwise) {
    for (int64_t c = 0; c < s.c; ++c)
      for (int64_t t = 0; t < taps; ++t) dst[c * taps + t] = packed[t * s.c + c];
    return;
  }
  const int64_t depth = taps * (s.c / s.groups), outputs = s.k / s.groups;
  const int64_t group_floats = packed_b_floats(isa, depth, outputs);
  for (int64_t g = 0; g < s.groups; ++g)
    unpack_b(isa, packed + g * group_floats, depth, outputs, dst + g * depth * outputs);
}

int64_t conv_workspace(Isa isa, const ConvShape& s, int threads) {
  const Layout l = layout_of(microkernels(isa), s, threads);
  return (l.zeros + l.copy) * static_cast<int64_t>(sizeof(float)) +
         l.pointers * threads * static_cast<int64_t>(sizeof(float*));
}

void conv(ThreadPool& pool, Isa isa, const ConvShape& s, const float* x, const float* packed, float* y,
          const Epilogue& e, void* workspace) {
  const int64_t pixels = s.n * s.oh * s.ow;
  if (pixels == 0 || s.k == 0) return;
  const Method method = method_of(s);
  CHECK(!s.x_nchw || method == Method::folded, "an NCHW image needs a convolution of few channels");
  if (method == Method::pointwise && s.groups == 1) {
    gemm(pool, isa, {pixels, s.k, s.c, x, s.c, packed, y, s.k, e});
    return;
  }
  const Microkernels& kernels = microkernels(isa);
  const Layout l = layout_of(kernels, s, pool.threads());
  float* zeros = static_cast<float*>(workspace);
  float* copy = zeros + l.zeros;
  const auto pointers = reinterpret_cast<const float**>(copy + l.copy);
  std::fill_n(zeros, l.zeros, 0.0f);
  if (method == Method::depthwise) {
    depthwise(pool, kernels, s, l, x, packed, y, e, zeros, pointers);
    return;
  }

  View view = view_of(s, x);
  if (method == Method::folded) {
    const int64_t row = padded_width(s) * s.c;
    constexpr int64_t kRowsPerTask = 16;
    pool.run((s.n * s.h + kRowsPerTask - 1) / kRowsPerTask, [&](int64_t task, int) {
      for (int64_t i = task * kRowsPerTask; i < std::min((task + 1) * kRowsPerTask, s.n * s.h); ++i)
        copy_padded_row(s, x, i / s.h, i % s.h, copy + i * row);
    });
    view = folded_view(s, copy);
  }
  const int64_t taps = s.kh * view.taps_w;
  const int64_t outputs = s.k / s.groups;
  const int64_t group_floats = packed_b_floats(isa, taps * view.channels, outputs);
  pool.run(l.tasks, [&](int64_t task, int thread) {
    const int64_t group = task / l.grid.tasks();
    const Range rows = part(pixels, kernels.mr, l.grid.row_blocks, task % l.grid.tasks() / l.grid.col_blocks);
    const Range cols = part(outputs, kernels.nr, l.grid.col_blocks, task % l.grid.col_blocks);
    const float** list = pointers + thread * l.pointers;
    const RowSplit split(rows.end - rows.begin, kernels.mr);
    Pixel pixel(s, rows.begin);
    const float** tile = list;
    for (int64_t i = 0; i < split.tiles; ++i) {
      const int64_t m = split.rows(i);
      for (int64_t j = 0; j < m; ++j, pixel.next(s)) tap_pointers(s, view, zeros, pixel, m, tile + j);
      tile += m * taps;
    }
    Block b{};
    b.rows = list;
    b.a_offset = group * view.channels;
    b.taps = taps;
    b.channels = view.channels;
    // Columns count over all groups, so the epilogue sees output channels; the panels of a group start at its own.
    b.b = packed + group * group_floats + cols.begin * taps * view.channels;
    b.row0 = rows.begin;
    b.m = rows.end - rows.begin;
    b.col0 = group * outputs + cols.begin;
    b.n = cols.end - cols.begin;
    b.c = y;
    b.ldc = s.k;
    multiply_block(kernels, b, e);
  });
}

}  // namespace mj::cpu
