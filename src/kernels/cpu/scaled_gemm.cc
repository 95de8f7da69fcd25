// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/scaled_gemm.h"

#include <algorithm>

#include "base/align.h"
#include "kernels/cpu/block.h"
#include "kernels/cpu/tile_primitives.h"

namespace mj::cpu {
namespace {

// Scaled rows that stay in L2: 128 KiB, in blocks that are worth fetching the weights for.
constexpr int64_t kBlockFloats = 32 << 10, kMaxRows = 144, kMinTiles = 4;

struct Layout {
  int64_t blocks, rows;  // how many, and of the tallest
};

Layout layout_of(const Microkernels& kernels, const ScaledGemm& s, int threads) {
  const int64_t mr = kernels.mr, tiles = std::max<int64_t>(1, (s.g.m + mr - 1) / mr);
  const int64_t most =
      std::clamp(kBlockFloats / std::max<int64_t>(1, s.g.k) / mr, kMinTiles, std::max(kMinTiles, kMaxRows / mr));
  int64_t blocks = (tiles + most - 1) / most;
  if (threads > 1) blocks = std::min(tiles, (blocks + threads - 1) / threads * threads);
  return {blocks, (tiles + blocks - 1) / blocks * mr};
}

}  // namespace

int64_t scaled_gemm_workspace(Isa isa, const ScaledGemm& s, int threads) {
  const Layout l = layout_of(microkernels(isa), s, threads);
  return threads * aligned_floats(l.rows * s.g.k) * static_cast<int64_t>(sizeof(float));
}

void scaled_gemm(ThreadPool& pool, Isa isa, const ScaledGemm& s, void* workspace) {
  const Gemm& g = s.g;
  if (g.m == 0 || g.n == 0) return;
  const Microkernels& kernels = microkernels(isa);
  const auto multiply = tile_primitives(isa).run[static_cast<int>(Primitive::mul)];
  const Layout l = layout_of(kernels, s, pool.threads());
  pool.run(l.blocks, [&](int64_t task, int thread) {
    const Range range = part(g.m, kernels.mr, l.blocks, task);
    float* scaled = static_cast<float*>(workspace) + thread * aligned_floats(l.rows * g.k);
    const float* rows[kMaxRows + Microkernels::kMaxMr];
    for (int64_t i = range.begin; i < range.end; ++i) {
      float* row = scaled + (i - range.begin) * g.k;
      const float *from = g.a + i * g.lda, *scale = s.scale + i / s.rows_per_scale * g.k;
      multiply(TileStep{{from, scale, scale}, row, g.k, 0, 0});
      rows[i - range.begin] = row;
    }
    Block b{};
    b.rows = rows;
    b.channels = g.k;
    b.b = g.packed_b;
    b.row0 = range.begin;
    b.m = range.end - range.begin;
    b.n = g.n;
    b.c = g.c;
    b.ldc = g.ldc;
    multiply_block(kernels, b, g.epilogue);
  });
}

}  // namespace mj::cpu
