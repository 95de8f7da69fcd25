// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/byte_conv.h"

#include <algorithm>
#include <cstring>

#include "kernels/cpu/block.h"

namespace mj::cpu {
namespace {

int64_t up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }
// Tiles read whole groups: this much may be read beyond an operand's last element.
constexpr int64_t kSlack = 64;

// The image as the tiles see it. Folded: few channels, so that the kw * c elements of a kernel row are contiguous in a
// padded copy, of which each row of the kernel is one tap.
struct Form {
  bool folded = false, copied = false, depthwise = false;
  int64_t taps_w = 1, channels = 0;  // taps per kernel row, elements per tap
  int64_t groups = 0;                // of elements, per tap
  int64_t width = 0, pad_left = 0;   // of the image that is read
  int64_t panels = 0;                // of one group of outputs
};

Form form_of(const ByteKernels& kernels, const ConvShape& s, bool x_signed) {
  constexpr int64_t kFewChannels = 16;
  Form f;
  const bool flat = s.kh == 1 && s.kw == 1;
  f.depthwise = s.groups > 1 && s.groups == s.c && s.groups == s.k;
  f.folded = s.groups == 1 && s.c < kFewChannels && s.dilation_w == 1 && !flat;
  f.taps_w = f.folded ? 1 : s.kw;
  f.channels = f.folded ? s.kw * s.c : s.c / std::max<int64_t>(1, s.groups);
  f.groups = (f.channels + kernels.group - 1) / kernels.group;
  f.copied = kernels.wide || x_signed || f.folded || (f.channels % kernels.group != 0 && !f.depthwise);
  f.width = f.folded ? (s.ow - 1) * s.stride_w + s.kw : s.w;
  f.pad_left = f.folded ? 0 : s.pad_left;
  f.panels = (s.k / std::max<int64_t>(1, s.groups) + kernels.nr - 1) / kernels.nr;
  return f;
}

struct Layout {
  int64_t zeros, copy, pointers;  // bytes, bytes, pointers per thread
  int64_t row_blocks, col_blocks;
  int64_t tasks(const ConvShape& s) const { return row_blocks * col_blocks * s.groups; }
};

Layout layout_of(const ByteKernels& kernels, const ConvShape& s, const Form& f, int threads) {
  // What a block reads of the image stays in L2 while the panels pass by.
  constexpr int64_t kBlockBytes = 256 << 10, kMaxBlockRows = 192;
  const int64_t pixels = s.n * s.oh * s.ow, size = kernels.operand_bytes(), taps = s.kh * f.taps_w;
  const int64_t row_bytes = std::max<int64_t>(1, taps * f.channels * size);
  const int64_t rows =
      std::clamp<int64_t>(kBlockBytes / row_bytes / kernels.mr * kernels.mr, kernels.mr, kMaxBlockRows);
  Layout l{};
  l.zeros = up(std::max(s.c, f.channels) * size + kSlack, 64);
  l.copy = f.copied ? up(s.n * s.h * f.width * s.c * size + kSlack, 64) : 0;
  if (f.depthwise) {
    l.pointers = taps;
    return l;
  }
  l.row_blocks = (pixels + rows - 1) / rows;
  const int64_t wanted = threads == 1 ? 1 : 4 * threads;
  l.col_blocks = std::clamp<int64_t>((wanted + l.row_blocks - 1) / std::max<int64_t>(1, l.row_blocks), 1, f.panels);
  l.pointers = std::min(up(rows, kernels.mr), up(pixels, kernels.mr)) * taps;
  return l;
}

// Image rows to the form of an operand; folded ones with their padding.
void copy_image(ThreadPool& pool, const ByteKernels& kernels, const ByteConv& p, const Form& f, const char* x,
                const char* zeros, char* copy) {
  const ConvShape& s = p.shape;
  const int64_t size = kernels.operand_bytes(), row = f.width * s.c;
  const int64_t left = f.folded ? std::min(s.pad_left, f.width) : 0, used = std::min(s.w, f.width - left);
  constexpr int64_t kRowsPerTask = 16;
  pool.run((s.n * s.h + kRowsPerTask - 1) / kRowsPerTask, [&](int64_t task, int) {
    for (int64_t i = task * kRowsPerTask; i < std::min((task + 1) * kRowsPerTask, s.n * s.h); ++i) {
      char* to = copy + i * row * size;
      for (int64_t j = 0; j < left; ++j) std::memcpy(to + j * s.c * size, zeros, static_cast<size_t>(s.c * size));
      kernels.prepare(x + i * s.w * s.c, p.x_signed, p.x_zero, used * s.c, to + left * s.c * size);
      for (int64_t j = left + used; j < f.width; ++j)
        std::memcpy(to + j * s.c * size, zeros, static_cast<size_t>(s.c * size));
    }
  });
}

// The taps of output pixel `index` into out[0], out[stride], ...
void tap_pointers(const ConvShape& s, const Form& f, int64_t size, const char* image, const char* zeros, int64_t index,
                  int64_t stride, const char** out) {
  const int64_t x = index % s.ow, y = index / s.ow % s.oh, n = index / s.ow / s.oh;
  const int64_t row0 = y * s.stride_h - s.pad_top, column0 = x * s.stride_w - f.pad_left;
  const int64_t pixel = s.c * size;
  image += n * s.h * f.width * pixel;
  for (int64_t i = 0; i < s.kh; ++i) {
    const int64_t row = row0 + i * s.dilation_h;
    for (int64_t j = 0; j < f.taps_w; ++j, out += stride) {
      const int64_t column = column0 + j * s.dilation_w;
      const bool inside = row >= 0 && row < s.h && column >= 0 && column < f.width;
      *out = inside ? image + (row * f.width + column) * pixel : zeros;
    }
  }
}

// A task is a row of output pixels.
void depthwise(ThreadPool& pool, const ByteKernels& kernels, const ByteConv& p, const Form& f, const Layout& l,
               const char* image, const char* zeros, const int8_t* packed, const int32_t* bias, const float* scale,
               void* y, const char** pointers) {
  const ConvShape& s = p.shape;
  pool.run(s.n * s.oh, [&](int64_t task, int thread) {
    const char** taps = pointers + thread * l.pointers;
    ByteDepthwiseArgs d{};
    d.a = taps;
    d.taps = s.kh * s.kw, d.channels = s.c;
    d.w = packed, d.bias = bias, d.scale = scale;
    d.low = static_cast<float>(p.low - p.y_zero), d.high = static_cast<float>(p.high - p.y_zero);
    d.zero = p.y_zero, d.is_signed = p.y_signed;
    for (int64_t i = task * s.ow; i < (task + 1) * s.ow; ++i) {
      tap_pointers(s, f, kernels.operand_bytes(), image, zeros, i, 1, taps);
      d.y = static_cast<char*>(y) + i * s.k;
      kernels.depthwise(d);
    }
  });
}

}  // namespace

int64_t packed_byte_conv(Isa isa, const ConvShape& s) {
  const ByteKernels& kernels = byte_kernels(isa);
  const Form f = form_of(kernels, s, false);
  if (f.depthwise) return s.kh * s.kw * s.c;
  return s.groups * f.panels * s.kh * f.taps_w * f.groups * kernels.group * kernels.nr;
}

void pack_byte_conv(Isa isa, const ConvShape& s, const int8_t* weights, int8_t* dst) {
  const ByteKernels& kernels = byte_kernels(isa);
  const Form f = form_of(kernels, s, false);
  if (f.depthwise) {
    for (int64_t c = 0; c < s.c; ++c)
      for (int64_t t = 0; t < s.kh * s.kw; ++t) dst[t * s.c + c] = weights[c * s.kh * s.kw + t];
    return;
  }
  const int64_t outputs = s.k / s.groups, channels = s.c / s.groups;
  const int64_t tap_bytes = f.groups * kernels.group * kernels.nr, panel = s.kh * f.taps_w * tap_bytes;
  std::fill_n(dst, packed_byte_conv(isa, s), int8_t{0});
  for (int64_t o = 0; o < s.k; ++o) {
    const int64_t column = o % outputs;
    int8_t* to = dst + (o / outputs * f.panels + column / kernels.nr) * panel + column % kernels.nr * kernels.group;
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t i = 0; i < s.kh; ++i)
        for (int64_t j = 0; j < s.kw; ++j) {
          const int64_t tap = f.folded ? i : i * s.kw + j, k = f.folded ? j * s.c + c : c;
          to[tap * tap_bytes + k / kernels.group * kernels.group * kernels.nr + k % kernels.group] =
              weights[((o * channels + c) * s.kh + i) * s.kw + j];
        }
  }
}

ByteColumns byte_columns(Isa isa, const ConvShape& s) {
  const ByteKernels& kernels = byte_kernels(isa);
  if (form_of(kernels, s, false).depthwise) return {s.k, s.k, s.k};
  ByteColumns columns;
  columns.outputs = std::max<int64_t>(1, s.k / s.groups);
  columns.padded = up(s.k / s.groups, kernels.nr);
  columns.count = s.groups * columns.padded;
  return columns;
}

int32_t byte_correction(Isa isa, const ByteConv& conv, int32_t weights) {
  if (byte_kernels(isa).wide) return 0;
  return -(conv.x_zero + (conv.x_signed ? 128 : 0)) * weights;
}

int64_t byte_conv_workspace(Isa isa, const ByteConv& conv, int threads) {
  const ByteKernels& kernels = byte_kernels(isa);
  const Form f = form_of(kernels, conv.shape, conv.x_signed);
  const Layout l = layout_of(kernels, conv.shape, f, threads);
  return l.zeros + l.copy + l.pointers * threads * static_cast<int64_t>(sizeof(char*));
}

void byte_conv(ThreadPool& pool, Isa isa, const ByteConv& p, const void* x, const int8_t* packed, const int32_t* bias,
               const float* scale, void* y, void* workspace) {
  const ConvShape& s = p.shape;
  const int64_t pixels = s.n * s.oh * s.ow;
  if (pixels == 0 || s.k == 0) return;
  const ByteKernels& kernels = byte_kernels(isa);
  const Form f = form_of(kernels, s, p.x_signed);
  const Layout l = layout_of(kernels, s, f, pool.threads());
  char* zeros = static_cast<char*>(workspace);
  char* copy = zeros + l.zeros;
  const auto pointers = reinterpret_cast<const char**>(copy + l.copy);
  // Padding counts as the zero point, which is 0 where operands come less their zero point.
  std::fill_n(zeros, l.zeros, static_cast<char>(kernels.wide ? 0 : p.x_zero + (p.x_signed ? 128 : 0)));
  const char* image = static_cast<const char*>(x);
  if (f.copied) {
    std::fill_n(copy + l.copy - kSlack, kSlack, char{0});
    copy_image(pool, kernels, p, f, image, zeros, copy);
    image = copy;
  }
  if (f.depthwise) return depthwise(pool, kernels, p, f, l, image, zeros, packed, bias, scale, y, pointers);
  const int64_t size = kernels.operand_bytes(), taps = s.kh * f.taps_w, outputs = s.k / s.groups;
  const int64_t panel = taps * f.groups * kernels.group * kernels.nr;
  pool.run(l.tasks(s), [&](int64_t task, int thread) {
    // Neighbouring tasks share weights.
    const int64_t row_block = task % l.row_blocks, rest = task / l.row_blocks;
    const int64_t group = rest / l.col_blocks;
    const Range rows = part(pixels, kernels.mr, l.row_blocks, row_block);
    const Range panels = part(f.panels, 1, l.col_blocks, rest % l.col_blocks);
    const char** list = pointers + thread * l.pointers;
    const RowSplit split(rows.end - rows.begin, kernels.mr);
    int64_t row = rows.begin;
    const char** tile = list;
    for (int64_t i = 0; i < split.tiles; ++i) {
      const int64_t m = split.rows(i);
      for (int64_t j = 0; j < m; ++j, ++row) tap_pointers(s, f, size, image, zeros, row, m, tile + j);
      tile += m * taps;
    }
    ByteTileArgs t{};
    t.offset = group * f.channels * size;
    t.taps = taps;
    t.groups = f.groups;
    t.low = static_cast<float>(p.low - p.y_zero), t.high = static_cast<float>(p.high - p.y_zero);
    t.zero = p.y_zero;
    t.is_signed = p.y_signed;
    t.ldy = s.k;
    for (int64_t column = panels.begin; column < panels.end; ++column) {
      const int64_t first = column * kernels.nr;
      t.b = packed + (group * f.panels + column) * panel;
      t.bias = bias + (group * f.panels + column) * kernels.nr;
      t.scale = scale + (group * f.panels + column) * kernels.nr;
      t.n = std::min<int64_t>(kernels.nr, outputs - first);
      t.a = list;
      t.y = static_cast<char*>(y) + rows.begin * s.k + group * outputs + first;
      for (int64_t i = 0; i < split.tiles; ++i) {
        const int64_t m = split.rows(i);
        kernels.tiles[m - 1](t);
        t.a += m * taps;
        t.y += m * s.k;
      }
    }
  });
}

}  // namespace mj::cpu
