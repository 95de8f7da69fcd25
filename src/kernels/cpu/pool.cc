// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/pool.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/block.h"
#include "kernels/cpu/bytes.h"
#include "kernels/cpu/microkernels.h"

namespace mj::cpu {
namespace {

// Taps of one window along one dim: those inside the image as [first, last), and how many inside the padded image.
struct Taps {
  int64_t first, last, places;
};

Taps taps_along(const PoolShape& s, int d, int64_t o) {
  const int64_t start = o * s.stride[d] - s.begin[d], step = s.dilation[d];
  const auto count_below = [&](int64_t bound) {  // taps whose position is below `bound`
    return std::clamp<int64_t>(bound <= start ? 0 : (bound - start + step - 1) / step, 0, s.kernel[d]);
  };
  return {count_below(0), count_below(s.in[d]), count_below(s.in[d] + s.end[d])};
}

struct WindowTaps {
  Taps along[3];
  int64_t start[3];
  float divisor;
};

WindowTaps window_taps(const PoolShape& s, int64_t z, int64_t y, int64_t x) {
  const int64_t o[3] = {z, y, x};
  WindowTaps w{};
  int64_t inside = 1, places = 1;
  for (int d = 0; d < 3; ++d) {
    w.along[d] = taps_along(s, d, o[d]);
    w.start[d] = o[d] * s.stride[d] - s.begin[d];
    inside *= std::max<int64_t>(0, w.along[d].last - w.along[d].first);
    places *= w.along[d].places;
  }
  w.divisor = static_cast<float>(s.count_include_pad ? places : inside);
  return w;
}

// Calls f(offset of the tap's pixel in the image, in pixels) for each tap inside it, in order.
template <class F>
void for_each_tap(const PoolShape& s, const WindowTaps& w, F f) {
  for (int64_t i = w.along[0].first; i < w.along[0].last; ++i)
    for (int64_t j = w.along[1].first; j < w.along[1].last; ++j) {
      const int64_t z = w.start[0] + i * s.dilation[0], y = w.start[1] + j * s.dilation[1];
      for (int64_t k = w.along[2].first; k < w.along[2].last; ++k)
        f((z * s.in[1] + y) * s.in[2] + w.start[2] + k * s.dilation[2]);
    }
}

// One output pixel, channels [0, channels) from `image` on.
void pool_nhwc(const Microkernels& kernels, const PoolShape& s, const WindowTaps& w, const float* image,
               int64_t channels, float* out) {
  constexpr int kBatch = 64;
  const float* rows[kBatch];
  PoolArgs p{rows, 0, channels, out, s.average, false, 0};
  for_each_tap(s, w, [&](int64_t pixel) {
    if (p.taps == kBatch) {
      kernels.pool_pixel(p);
      p.taps = 0;
      p.accumulate = true;
    }
    rows[p.taps++] = image + pixel * s.channels;
  });
  p.divisor = w.divisor;
  kernels.pool_pixel(p);
  // An average over nothing is 0 / 0, as the formula says.
  if (s.average && w.divisor == 0) std::fill_n(out, channels, std::numeric_limits<float>::quiet_NaN());
}

float pool_plane(const PoolShape& s, const WindowTaps& w, const float* plane) {
  if (s.average) {
    float sum = 0;
    for_each_tap(s, w, [&](int64_t pixel) { sum += plane[pixel]; });
    return sum / w.divisor;
  }
  float best = -std::numeric_limits<float>::infinity();
  for_each_tap(s, w, [&](int64_t pixel) {
    const float x = plane[pixel];
    best = x > best || std::isnan(x) ? x : best;
  });
  return best;
}

}  // namespace

void pool(ThreadPool& threads, Isa isa, const PoolShape& s, const float* x, float* y,
          FunctionRef<void(float*, int64_t, int64_t)> finished) {
  const int64_t in_size = s.in[0] * s.in[1] * s.in[2], out_size = s.out[0] * s.out[1] * s.out[2];
  const int64_t rows = s.out[0] * s.out[1], width = s.out[2];
  if (s.n * s.channels * out_size == 0) return;
  if (!s.channels_last) {
    threads.run(s.n * s.channels, [&](int64_t task, int) {
      const float* plane = x + task * in_size;
      float* out = y + task * out_size;
      for (int64_t o = 0; o < out_size; ++o)
        out[o] = pool_plane(s, window_taps(s, o / width / s.out[1], o / width % s.out[1], o % width), plane);
      finished(out, task * out_size, out_size);
    });
    return;
  }
  const Microkernels& kernels = microkernels(isa);
  // A global pool has one row per sample: cut the channels instead.
  const int64_t parts =
      s.n * rows >= 2 * threads.threads() ? 1 : std::clamp<int64_t>(s.channels / 64, 1, 4 * threads.threads());
  threads.run(s.n * rows * parts, [&](int64_t task, int) {
    const Range c = part(s.channels, 16, parts, task % parts);
    const int64_t row = task / parts % rows, n = task / parts / rows;
    const float* image = x + n * in_size * s.channels + c.begin;
    for (int64_t i = 0; i < width && c.begin < c.end; ++i) {
      const int64_t begin = ((n * rows + row) * width + i) * s.channels + c.begin;
      pool_nhwc(kernels, s, window_taps(s, row / s.out[1], row % s.out[1], i), image, c.end - c.begin, y + begin);
      finished(y + begin, begin, c.end - c.begin);
    }
  });
}

void max_pool_bytes(ThreadPool& threads, Isa isa, const PoolShape& s, const void* x, bool is_signed, void* y) {
  const int64_t in_size = s.in[0] * s.in[1] * s.in[2], width = s.out[2], rows = s.out[0] * s.out[1];
  if (s.n * s.channels * rows * width == 0) return;
  const ByteKernels& kernels = byte_kernels(isa);
  threads.run(s.n * rows, [&](int64_t task, int) {
    const int64_t row = task % rows, n = task / rows;
    const char* image = static_cast<const char*>(x) + n * in_size * s.channels;
    for (int64_t i = 0; i < width; ++i) {
      char* out = static_cast<char*>(y) + (task * width + i) * s.channels;
      constexpr int64_t kBatch = 64;
      const void* taps[kBatch];
      int64_t count = 0;
      bool any = false;
      for_each_tap(s, window_taps(s, row / s.out[1], row % s.out[1], i), [&](int64_t pixel) {
        if (count == kBatch) {
          kernels.max_rows(taps, is_signed, count, s.channels, out);
          taps[0] = out;
          count = 1;
        }
        taps[count++] = image + pixel * s.channels;
        any = true;
      });
      if (any) {
        kernels.max_rows(taps, is_signed, count, s.channels, out);
      } else {
        std::fill_n(out, s.channels, static_cast<char>(is_signed ? -128 : 0));
      }
    }
  });
}

}  // namespace mj::cpu
