// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/gemm.h"

#include <algorithm>

#include "base/align.h"
#include "kernels/cpu/block.h"
#include "kernels/cpu/microkernels.h"

namespace mj::cpu {
namespace {

constexpr int64_t kRowsOnStack = 512;

void multiply_task(const Microkernels& kernels, const Gemm& g, const Grid& grid, int64_t task, int64_t epilogue_row0) {
  const Range rows = part(g.m, kernels.mr, grid.row_blocks, task / grid.col_blocks);
  const Range cols = part(g.n, kernels.nr, grid.col_blocks, task % grid.col_blocks);
  const float* pointers[kRowsOnStack];
  for (int64_t i = rows.begin; i < rows.end; ++i) pointers[i - rows.begin] = g.rows ? g.rows[i] : g.a + i * g.lda;
  Block b{};
  b.rows = pointers;
  b.channels = g.k;
  b.b = g.packed_b + cols.begin * g.k;
  b.row0 = rows.begin + epilogue_row0;
  b.m = rows.end - rows.begin;
  b.col0 = cols.begin;
  b.n = cols.end - cols.begin;
  b.c = g.c - epilogue_row0 * g.ldc;
  b.ldc = g.ldc;
  b.taps = 1;
  multiply_block(kernels, b, g.epilogue);
}

// Panels [first, last) of pack_b.
void pack_panels(const Microkernels& kernels, const float* b, int64_t ldb, bool b_transposed, int64_t k, int64_t n,
                 float* dst, int64_t first, int64_t last) {
  const int64_t nr = kernels.nr;
  for (int64_t p = first; p < last; ++p) {
    const int64_t width = std::min(nr, n - p * nr);
    float* panel = dst + p * nr * k;
    if (b_transposed) {
      kernels.pack_rows(b + p * nr * ldb, ldb, width, k, panel);
      continue;
    }
    for (int64_t i = 0; i < k; ++i) {
      std::copy_n(b + i * ldb + p * nr, width, panel + i * nr);
      std::fill(panel + i * nr + width, panel + (i + 1) * nr, 0.0f);
    }
  }
}

int64_t panels_of(const Microkernels& kernels, int64_t n) { return (n + kernels.nr - 1) / kernels.nr; }

// a[m][k] from a[k][m], in blocks that keep both sides in L1.
void transpose(const float* a, int64_t lda, int64_t k, int64_t m, float* dst) {
  for (int64_t i0 = 0; i0 < m; i0 += 16)
    for (int64_t j = 0; j < k; ++j)
      for (int64_t i = i0; i < std::min(m, i0 + 16); ++i) dst[i * k + j] = a[j * lda + i];
}

// With enough products each thread packs and multiplies whole ones, so the packed panels never leave its L2.
bool one_product_per_task(const BatchedGemm& g, int threads) { return threads == 1 || g.batch >= 2 * threads; }

struct BatchScratch {
  int64_t packed_b, a;  // floats
  int64_t copies;
};
BatchScratch batch_scratch(const Microkernels& kernels, const BatchedGemm& g, int threads) {
  return {aligned_floats(panels_of(kernels, g.n) * kernels.nr * g.k), g.a_transposed ? aligned_floats(g.m * g.k) : 0,
          one_product_per_task(g, threads) ? threads : g.batch};
}

}  // namespace

int64_t packed_b_floats(Isa isa, int64_t k, int64_t n) {
  const Microkernels& kernels = microkernels(isa);
  return panels_of(kernels, n) * kernels.nr * k;
}

void pack_b(Isa isa, const float* b, int64_t ldb, bool b_transposed, int64_t k, int64_t n, float* dst) {
  const Microkernels& kernels = microkernels(isa);
  pack_panels(kernels, b, ldb, b_transposed, k, n, dst, 0, panels_of(kernels, n));
}

void unpack_b(Isa isa, const float* packed, int64_t k, int64_t n, float* dst) {
  const int64_t nr = microkernels(isa).nr;
  for (int64_t column = 0; column < n; column += nr)
    for (int64_t i = 0; i < k; ++i)
      std::copy_n(packed + column * k + i * nr, std::min(nr, n - column), dst + i * n + column);
}

void gemm(ThreadPool& pool, Isa isa, const Gemm& g) {
  if (g.m == 0 || g.n == 0) return;
  const Microkernels& kernels = microkernels(isa);
  const Grid grid = choose_grid(kernels, g.m, g.n, g.k, pool.threads(), 0);
  pool.run(grid.tasks(), [&](int64_t task, int) { multiply_task(kernels, g, grid, task, 0); });
}

int64_t batched_gemm_workspace(Isa isa, const BatchedGemm& g, int threads) {
  const BatchScratch scratch = batch_scratch(microkernels(isa), g, threads);
  return scratch.copies * (scratch.packed_b + scratch.a) * static_cast<int64_t>(sizeof(float));
}

void batched_gemm(ThreadPool& pool, Isa isa, const BatchedGemm& g, void* workspace) {
  if (g.batch == 0 || g.m == 0 || g.n == 0) return;
  const Microkernels& kernels = microkernels(isa);
  const BatchScratch scratch = batch_scratch(kernels, g, pool.threads());
  const int64_t panels = panels_of(kernels, g.n);
  const auto prepare = [&](int64_t i, float* space, int64_t first_panel, int64_t last_panel, bool with_a) {
    Gemm one{g.m, g.n, g.k, g.a + i * g.stride_a, g.lda, space, g.c + i * g.stride_c, g.ldc, g.epilogue, nullptr};
    pack_panels(kernels, g.b + i * g.stride_b, g.ldb, g.b_transposed, g.k, g.n, space, first_panel, last_panel);
    if (g.a_transposed) {
      one.a = space + scratch.packed_b;
      one.lda = g.k;
      if (with_a) transpose(g.a + i * g.stride_a, g.lda, g.k, g.m, space + scratch.packed_b);
    }
    return one;
  };
  float* space = static_cast<float*>(workspace);
  const int64_t copy = scratch.packed_b + scratch.a;

  if (one_product_per_task(g, pool.threads())) {
    const Grid grid = choose_grid(kernels, g.m, g.n, g.k, 1, 0);
    pool.run(g.batch, [&](int64_t i, int thread) {
      const Gemm one = prepare(i, space + thread * copy, 0, panels, true);
      for (int64_t t = 0; t < grid.tasks(); ++t) multiply_task(kernels, one, grid, t, g.first_row + i * g.m);
    });
    return;
  }
  const int64_t pack_tasks = std::min<int64_t>(panels, 2 * pool.threads());
  pool.run(g.batch * pack_tasks, [&](int64_t t, int) {
    const int64_t i = t / pack_tasks;
    const Range r = part(panels, 1, pack_tasks, t % pack_tasks);
    prepare(i, space + i * copy, r.begin, r.end, t % pack_tasks == 0);
  });
  const Grid grid = choose_grid(kernels, g.m, g.n, g.k, pool.threads(), 0);
  pool.run(g.batch * grid.tasks(), [&](int64_t t, int) {
    const int64_t i = t / grid.tasks();
    const Gemm one = prepare(i, space + i * copy, 0, 0, false);
    multiply_task(kernels, one, grid, t % grid.tasks(), g.first_row + i * g.m);
  });
}

}  // namespace mj::cpu
