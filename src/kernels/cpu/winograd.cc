// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/winograd.h"

#include <algorithm>
#include <vector>

#include "base/align.h"
#include "base/check.h"
#include "kernels/cpu/block.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/microkernels.h"

namespace mj::cpu {
namespace {

constexpr int64_t kPoints = 16;
// Patches and products of one task, in floats: they go through L2 three times.
constexpr int64_t kTaskFloats = 100'000;
constexpr int64_t kMaxTiles = 96;

// Output tiles of 2x2 pixels, counted over the whole batch.
struct Tiles {
  int64_t across, down, total;
  int64_t per_task, tasks;
};
Tiles tiles_of(const Microkernels& kernels, const ConvShape& s, int threads) {
  Tiles t{(s.ow + 1) / 2, (s.oh + 1) / 2, 0, 0, 0};
  t.total = s.n * t.across * t.down;
  const int64_t fitting = kTaskFloats / (kPoints * (s.c + s.k));
  // Full register tiles where possible; all threads busy comes before a full L2.
  const int64_t shared = (t.total + threads - 1) / threads;
  const int64_t most = std::clamp<int64_t>(fitting / kernels.mr * kernels.mr, 2 * kernels.mr, kMaxTiles);
  const int64_t rounds = std::max<int64_t>(1, (shared + most - 1) / most);
  t.tasks = std::max<int64_t>(1, std::min<int64_t>(t.total, rounds * threads));
  t.per_task = (t.total + t.tasks - 1) / t.tasks;
  return t;
}

struct Layout {
  int64_t zeros, v, m;  // floats; v and m for each thread
};
Layout layout_of(const ConvShape& s, const Tiles& t) {
  return {aligned_floats(s.c), aligned_floats(kPoints * t.per_task * s.c), aligned_floats(kPoints * t.per_task * s.k)};
}

class Task {
 public:
  Task(const Microkernels& kernels, const ConvShape& s, const Tiles& tiles, Range range, const float* x,
       const float* packed, float* y, const Epilogue& e, const float* zeros, float* v, float* m)
      : kernels_(kernels),
        s_(s),
        tiles_(tiles),
        range_(range),
        x_(x),
        packed_(packed),
        y_(y),
        e_(e),
        zeros_(zeros),
        v_(v),
        m_(m) {}

  void operator()() const {
    const int64_t count = range_.end - range_.begin;
    for (int64_t i = 0; i < count; ++i) transform_input(range_.begin + i, v_ + i * s_.c, count * s_.c);
    const float* rows[kMaxTiles];
    const int64_t point_floats = (s_.k + kernels_.nr - 1) / kernels_.nr * kernels_.nr * s_.c;
    for (int64_t p = 0; p < kPoints; ++p) {
      for (int64_t i = 0; i < count; ++i) rows[i] = v_ + (p * count + i) * s_.c;
      Block b{};
      b.rows = rows;
      b.taps = 1;
      b.channels = s_.c;
      b.b = packed_ + p * point_floats;
      b.m = count;
      b.n = s_.k;
      b.c = m_ + p * count * s_.k;
      b.ldc = s_.k;
      multiply_block(kernels_, b, {});
    }
    for (int64_t i = 0; i < count; ++i) transform_output(range_.begin + i, m_ + i * s_.k, count * s_.k);
  }

 private:
  struct Place {
    int64_t n, y, x;  // of the first output pixel
  };
  Place place(int64_t tile) const {
    return {tile / tiles_.across / tiles_.down, tile / tiles_.across % tiles_.down * 2, tile % tiles_.across * 2};
  }

  void transform_input(int64_t tile, float* v, int64_t stride) const {
    const Place at = place(tile);
    WinogradInputArgs a{};
    for (int64_t i = 0; i < 4; ++i)
      for (int64_t j = 0; j < 4; ++j) {
        const int64_t row = at.y - s_.pad_top + i, column = at.x - s_.pad_left + j;
        const bool inside = row >= 0 && row < s_.h && column >= 0 && column < s_.w;
        a.pixels[4 * i + j] = inside ? x_ + ((at.n * s_.h + row) * s_.w + column) * s_.c : zeros_;
      }
    a.channels = s_.c;
    a.v = v;
    a.v_stride = stride;
    kernels_.winograd_input(a);
  }

  void transform_output(int64_t tile, const float* m, int64_t stride) const {
    const Place at = place(tile);
    WinogradOutputArgs a{};
    a.m = m;
    a.m_stride = stride;
    a.channels = s_.k;
    a.bias = e_.bias;
    a.clip = e_.clip;
    a.lo = e_.lo;
    a.hi = e_.hi;
    int64_t pixels[4];
    for (int64_t i = 0; i < 4; ++i) {
      const int64_t row = at.y + i / 2, column = at.x + i % 2;
      if (row >= s_.oh || column >= s_.ow) continue;
      pixels[i] = (at.n * s_.oh + row) * s_.ow + column;
      a.out[i] = y_ + pixels[i] * s_.k;
      if (e_.residual) a.residual[i] = e_.residual + pixels[i] * e_.ld_residual;
    }
    kernels_.winograd_output(a);
    for (int64_t i = 0; e_.callback && i < 4; ++i)
      if (a.out[i]) e_.callback(e_.context, a.out[i], pixels[i], 0, s_.k);
  }

  const Microkernels& kernels_;
  const ConvShape& s_;
  const Tiles& tiles_;
  Range range_;
  const float *x_, *packed_;
  float* y_;
  const Epilogue& e_;
  const float* zeros_;
  float *v_, *m_;
};

}  // namespace

bool winograd_applies(const ConvShape& s) {
  return s.kh == 3 && s.kw == 3 && s.stride_h == 1 && s.stride_w == 1 && s.dilation_h == 1 && s.dilation_w == 1 &&
         s.groups == 1 && !s.x_nchw;
}

int64_t packed_winograd_floats(Isa isa, const ConvShape& s) { return kPoints * packed_b_floats(isa, s.c, s.k); }

void pack_winograd(Isa isa, const ConvShape& s, const float* weights, float* dst) {
  constexpr double kG[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
  const int64_t point_floats = packed_b_floats(isa, s.c, s.k);
  std::vector<float> u(static_cast<size_t>(kPoints * s.c * s.k));
  for (int64_t o = 0; o < s.k; ++o)
    for (int64_t c = 0; c < s.c; ++c) {
      const float* w = weights + (o * s.c + c) * 9;
      for (int64_t p = 0; p < kPoints; ++p) {
        double sum = 0;
        for (int64_t i = 0; i < 3; ++i)
          for (int64_t j = 0; j < 3; ++j) sum += kG[p / 4][i] * kG[p % 4][j] * static_cast<double>(w[3 * i + j]);
        u[static_cast<size_t>((p * s.k + o) * s.c + c)] = static_cast<float>(sum);
      }
    }
  for (int64_t p = 0; p < kPoints; ++p)
    pack_b(isa, u.data() + p * s.k * s.c, s.c, true, s.c, s.k, dst + p * point_floats);
}

int64_t winograd_workspace(Isa isa, const ConvShape& s, int threads) {
  const Layout l = layout_of(s, tiles_of(microkernels(isa), s, threads));
  return (l.zeros + threads * (l.v + l.m)) * static_cast<int64_t>(sizeof(float));
}

void winograd(ThreadPool& pool, Isa isa, const ConvShape& s, const float* x, const float* packed, float* y,
              const Epilogue& e, void* workspace) {
  CHECK(winograd_applies(s), "Winograd's form needs a 3x3 convolution of stride 1");
  if (s.n * s.oh * s.ow * s.k == 0) return;
  const Microkernels& kernels = microkernels(isa);
  const Tiles tiles = tiles_of(kernels, s, pool.threads());
  const Layout l = layout_of(s, tiles);
  float* zeros = static_cast<float*>(workspace);
  std::fill_n(zeros, l.zeros, 0.0f);
  pool.run(tiles.tasks, [&](int64_t task, int thread) {
    float* v = zeros + l.zeros + thread * (l.v + l.m);
    Task(kernels, s, tiles, part(tiles.total, 1, tiles.tasks, task), x, packed, y, e, zeros, v, v + l.v)();
  });
}

}  // namespace mj::cpu
