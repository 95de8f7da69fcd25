// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/block.h"

#include <algorithm>

namespace mj::cpu {
namespace {

// Rows of A (of one K block) that stay in L2 while panels pass by, and what part of C stays there with them until its
// last K block is done: 144 KB each.
constexpr int64_t kMaxBlockRows = 144;
constexpr int64_t kGroupFloats = 36 << 10;
// A task below this many flops costs more to hand over than it wins (about 10 us of one core).
constexpr double kMinTaskFlops = 1e6;
// Tasks per thread, so that a core that is taken away for a moment does not hold up the others.
constexpr int64_t kTasksPerThread = 8;

// One K block: taps [tap, tap + taps) x channels [k, k + count) of each.
struct KBlock {
  int64_t tap, taps, k, count;
  bool first, last;
};

// Panels [begin, end) of the block.
void multiply_k_block(const Microkernels& kernels, const Block& b, const RowSplit& split, const KBlock& kb,
                      const Range& range, const Epilogue& e) {
  const int64_t nr = kernels.nr;
  const int64_t panel = b.taps * b.channels * nr;
  const int64_t full = b.n / nr;
  TileArgs t{};
  t.a_offset = b.a_offset + kb.k;
  t.taps = kb.taps;
  t.k = kb.count;
  t.b_panel_stride = panel;
  t.ldc = b.ldc;
  t.accumulate = !kb.first;
  const int64_t ahead = prefetching_tiles(split.tiles);
  for (int64_t p = range.begin; p < range.end;) {
    const int64_t col = b.col0 + p * nr;
    const bool is_full = p < full;
    const int64_t columns = std::min(nr, b.n - p * nr), vectors = columns > nr / 2 ? 2 : 1;
    t.cut = static_cast<int>(columns - (vectors - 1) * nr / 2);
    int64_t panels = 1;
    t.b = b.b + p * panel + (kb.tap * b.channels + kb.k) * nr;
    if (kb.last && e.bias) t.bias = e.bias + col;
    t.clip = kb.last && e.clip;
    t.lo = e.lo;
    t.hi = e.hi;
    int64_t row = b.row0;
    for (int64_t i = 0; i < split.tiles; ++i) {
      const int64_t m = split.rows(i);
      t.a = b.rows + (row - b.row0) * b.taps + kb.tap * m;
      t.c = b.c + row * b.ldc + col;
      // The slice of the next panel comes from memory into L2 meanwhile, a part of it with each of the first tiles.
      const bool prefetches = split.tiles > 1 && i < ahead && (p + 1) * nr < b.n;
      t.prefetch = prefetches ? t.b + panel + i * (kb.taps * kb.count * nr / ahead) : t.b;
      t.prefetch_step = prefetches ? nr / ahead : 0;
      if (kb.last && e.residual) {
        t.residual = e.residual + row * e.ld_residual + col;
        t.ld_residual = e.ld_residual;
      }
      const int64_t wide = kernels.wide_panels[m - 1];
      if (!is_full) {
        kernels.cut_tiles[vectors - 1][m - 1](t);
      } else if (split.tiles == 1 && wide > 1 && p + wide <= std::min(full, range.end)) {
        kernels.wide_tiles[m - 1](t);
        panels = wide;
      } else {
        kernels.tiles[m - 1](t);
      }
      row += m;
    }
    p += panels;
  }
}

// All K blocks of panels [begin, end).
void multiply_panels(const Microkernels& kernels, const Block& b, const RowSplit& split, const Range& range,
                     const Epilogue& e) {
  // A weight slice is worth keeping in L1 only if a second tile of rows uses it.
  const int64_t kc = split.tiles == 1 ? std::max<int64_t>(1, b.taps * b.channels) : kernels.kc;
  if (b.channels <= kc) {
    const int64_t taps_at_once = b.channels ? std::max<int64_t>(1, kc / b.channels) : b.taps;
    int64_t tap = 0;
    do {
      const int64_t taps = std::min(taps_at_once, b.taps - tap);
      const KBlock kb{tap, taps, 0, b.channels, tap == 0, tap + taps >= b.taps};
      multiply_k_block(kernels, b, split, kb, range, e);
      tap += taps;
    } while (tap < b.taps);
    return;
  }
  const int64_t pieces = (b.channels + kc - 1) / kc;
  for (int64_t tap = 0; tap < b.taps; ++tap)
    for (int64_t i = 0; i < pieces; ++i) {
      const Range r = part(b.channels, 8, pieces, i);
      const bool last = tap + 1 == b.taps && i + 1 == pieces;
      const KBlock kb{tap, 1, r.begin, r.end - r.begin, tap == 0 && i == 0, last};
      multiply_k_block(kernels, b, split, kb, range, e);
    }
}

}  // namespace

void multiply_block(const Microkernels& kernels, const Block& b, const Epilogue& e) {
  const RowSplit split(b.m, kernels.mr);
  if (split.tiles == 0 || b.n == 0) return;
  const int64_t panels = (b.n + kernels.nr - 1) / kernels.nr;
  const int64_t most = std::max<int64_t>(Microkernels::kMaxPanels, kGroupFloats / (b.m * kernels.nr));
  const int64_t groups = (panels + most - 1) / most;
  for (int64_t i = 0; i < groups; ++i) {
    const Range range = part(panels, Microkernels::kMaxPanels, groups, i);
    multiply_panels(kernels, b, split, range, e);
    if (!e.callback) continue;
    const int64_t col = b.col0 + range.begin * kernels.nr;
    const int64_t n = std::min(b.n, range.end * kernels.nr) - range.begin * kernels.nr;
    if (n == b.ldc) {  // whole rows, one behind the other
      e.callback(e.context, b.c + b.row0 * b.ldc, b.row0, 0, b.m * n);
      continue;
    }
    for (int64_t row = b.row0; row < b.row0 + b.m; ++row) e.callback(e.context, b.c + row * b.ldc + col, row, col, n);
  }
}

Grid choose_grid(const Microkernels& kernels, int64_t m, int64_t n, int64_t k, int threads, int64_t max_rows) {
  const int64_t cap = max_rows > 0 ? std::min(max_rows, kMaxBlockRows) : kMaxBlockRows;
  const int64_t panels = std::max<int64_t>(1, (n + kernels.nr - 1) / kernels.nr);
  Grid grid{std::max<int64_t>(1, (m + cap - 1) / cap), 1};
  if (threads == 1) return grid;
  const double flops = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  const auto affordable = static_cast<int64_t>(std::min(flops / kMinTaskFlops, 1e6));
  const int64_t wanted = std::clamp<int64_t>(affordable, 1, kTasksPerThread * threads);
  if (grid.row_blocks < wanted) {
    // Columns first: their blocks share no weights, which are the larger operand of small layers.
    grid.col_blocks = std::min(panels, (wanted + grid.row_blocks - 1) / grid.row_blocks);
    const int64_t tiles = std::max<int64_t>(1, (m + kernels.mr - 1) / kernels.mr);
    if (grid.tasks() < wanted) grid.row_blocks = std::min(tiles, (wanted + grid.col_blocks - 1) / grid.col_blocks);
  }
  // A last round in which only some threads have work is lost time.
  while (grid.tasks() > 1 && grid.tasks() % threads != 0 && grid.tasks() < 4 * kTasksPerThread * threads &&
         grid.row_blocks < m)
    ++grid.row_blocks;
  return grid;
}

Range part(int64_t total, int64_t unit, int64_t blocks, int64_t i) {
  const int64_t units = (total + unit - 1) / unit;
  return {std::min(total, units * i / blocks * unit), std::min(total, units * (i + 1) / blocks * unit)};
}

}  // namespace mj::cpu
