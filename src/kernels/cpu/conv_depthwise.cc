// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/conv_depthwise.h"

#include <algorithm>

#include "base/align.h"
#include "base/check.h"
#include "kernels/cpu/block.h"
#include "kernels/cpu/depthwise.h"

namespace mj::cpu {
namespace {

// Pixels computed at once: their results stay in L1 for the activation.
constexpr int64_t kFloatsAtOnce = 4096, kMaxPixels = 144;
// Rows computed ahead make up this many pixels, so that weights are not fetched for a few alone.
constexpr int64_t kPixelsAhead = 48;

struct Layout {
  int64_t zeros, ring, pointers;  // floats, floats and pointers per thread
  int64_t rows;                   // of the ring
  int64_t ahead;                  // rows computed at once
  int64_t pixels;                 // of one block
  int64_t bands;                  // of each sample
};

Layout layout_of(const Microkernels& kernels, const ConvDepthwiseShape& s, int threads) {
  const ConvShape& d = s.depthwise;
  Layout l{};
  l.zeros = aligned_floats(d.c);
  l.ahead = std::max<int64_t>(1, kPixelsAhead / std::max<int64_t>(1, d.w));
  l.rows = (d.kh - 1) * d.dilation_h + l.ahead;
  l.ring = aligned_floats(l.rows * d.w * d.c);
  l.pointers = d.kh + depthwise_pointers(d);
  l.pixels = std::clamp<int64_t>(kFloatsAtOnce / std::max<int64_t>(1, d.c) / kernels.mr, 4, kMaxPixels / kernels.mr) *
             kernels.mr;
  // Where bands meet, rows are computed twice: bands are tall, and no more than the threads need.
  const int64_t wanted = threads == 1 ? 1 : (4 * threads + d.n - 1) / std::max<int64_t>(1, d.n);
  l.bands = std::clamp<int64_t>(wanted, 1, std::max<int64_t>(1, d.oh / (2 * d.kh)));
  return l;
}

// Pixels [0, m) of x by the first weights into `out`.
void widen(const Microkernels& kernels, const ConvShape& s, const Layout& l, const float* x, int64_t m,
           const float* packed, float* out, const Epilogue& between) {
  const int64_t blocks = (m + l.pixels - 1) / l.pixels;
  for (int64_t i = 0; i < blocks; ++i) {
    const Range r = part(m, kernels.mr, blocks, i);
    const float* rows[kMaxPixels + Microkernels::kMaxMr];
    for (int64_t row = r.begin; row < r.end; ++row) rows[row - r.begin] = x + row * s.c;
    Block b{};
    b.rows = rows;
    b.channels = s.c;
    b.b = packed;
    b.m = r.end - r.begin;
    b.n = s.k;
    b.c = out + r.begin * s.k;
    b.ldc = s.k;
    multiply_block(kernels, b, between);
  }
}

}  // namespace

int64_t conv_depthwise_workspace(Isa isa, const ConvDepthwiseShape& s, int threads) {
  const Layout l = layout_of(microkernels(isa), s, threads);
  return (l.zeros + threads * l.ring) * static_cast<int64_t>(sizeof(float)) +
         threads * l.pointers * static_cast<int64_t>(sizeof(float*));
}

void conv_depthwise(ThreadPool& pool, Isa isa, const ConvDepthwiseShape& s, const float* x, const float* first,
                    const float* second, float* y, const Epilogue& between, const Epilogue& e, void* workspace) {
  const ConvShape &p = s.pixelwise, &d = s.depthwise;
  CHECK(p.k == d.c && p.h == d.h && p.w == d.w && !between.residual, "two convolutions that do not follow each other");
  if (d.n * d.oh * d.ow * d.c == 0) return;
  const Microkernels& kernels = microkernels(isa);
  const Layout l = layout_of(kernels, s, pool.threads());
  float* zeros = static_cast<float*>(workspace);
  float* rings = zeros + l.zeros;
  const auto pointers = reinterpret_cast<const float**>(rings + pool.threads() * l.ring);
  std::fill_n(zeros, l.zeros, 0.0f);
  const int64_t row_floats = d.w * d.c;
  pool.run(d.n * l.bands, [&](int64_t task, int thread) {
    float* ring = rings + thread * l.ring;
    const float** rows = pointers + thread * l.pointers;
    const int64_t n = task / l.bands;
    const Range band = part(d.oh, 1, l.bands, task % l.bands);
    if (band.begin == band.end) return;
    const float* image = x + n * p.h * p.w * p.c;
    const auto end_of = [&](int64_t oy) { return std::clamp<int64_t>(image_row(d, oy, d.kh - 1) + 1, 0, d.h); };
    const int64_t limit = end_of(band.end - 1);
    int64_t done = 0;  // rows below it have been computed, if any later row needs them
    for (int64_t oy = band.begin; oy < band.end; ++oy) {
      done = std::max(done, image_row(d, oy, 0));
      if (const int64_t needed = end_of(oy); needed > done) {
        const int64_t end = std::min(limit, std::max(needed, done + l.ahead));
        while (done < end) {  // in stretches that do not cross the ring's end
          const int64_t at = done % l.rows, count = std::min(end - done, l.rows - at);
          widen(kernels, p, l, image + done * p.w * p.c, count * p.w, first, ring + at * row_floats, between);
          done += count;
        }
      }
      for (int64_t i = 0; i < d.kh; ++i) {
        const int64_t row = image_row(d, oy, i);
        rows[i] = row >= 0 && row < d.h ? ring + row % l.rows * row_floats : nullptr;
      }
      const int64_t row0 = (n * d.oh + oy) * d.ow;
      depthwise_row(kernels, d, rows, second, y + row0 * d.c, e.residual ? e.residual + row0 * e.ld_residual : nullptr,
                    e, zeros, rows + d.kh);
      if (e.callback) e.callback(e.context, y + row0 * d.c, row0, 0, d.ow * d.c);
    }
  });
}

}  // namespace mj::cpu
