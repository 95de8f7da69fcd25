// SPDX-License-Identifier: Apache-2.0
// The loops between a task and the register tile, shared by GEMM and convolution.
#pragma once

#include <cstdint>

#include "kernels/cpu/epilogue.h"
#include "kernels/cpu/microkernels.h"

namespace mj::cpu {

// Cuts m rows into tiles of nearly equal height: 49 rows become 4 x 6 + 5 x 5, not 8 x 6 + 1, whose last tile would run
// at the latency of its few sums.
struct RowSplit {
  RowSplit(int64_t m, int64_t mr) : tiles((m + mr - 1) / mr), low(tiles ? m / tiles : 0), high(tiles ? m % tiles : 0) {}
  int64_t rows(int64_t tile) const { return low + (tile < high ? 1 : 0); }

  int64_t tiles;
  int64_t low;   // rows of the later tiles
  int64_t high;  // how many tiles hold one row more
};

// How many tiles of `tiles` share the fetching of the next panel, a power of two: a burst of it would hold up the
// tile's own loads.
inline int64_t prefetching_tiles(int64_t tiles) { return tiles > 4 ? 4 : tiles > 1 ? 2 : 1; }

// One task: rows [row0, row0 + m) by columns [col0, col0 + n) of c, of which col0 is the first of a packed panel.
struct Block {
  const float* const* rows;  // row pointers [tile][tap][row of tile] after RowSplit(m, mr)
  int64_t a_offset = 0;      // floats added to each
  int64_t taps = 1;
  int64_t channels = 0;  // k of one tap
  const float* b;        // the packed panel of col0, [taps * channels][nr]; further panels follow
  int64_t row0 = 0, m = 0, col0 = 0, n = 0;
  float* c;  // whole product
  int64_t ldc = 0;
};

void multiply_block(const Microkernels& kernels, const Block& block, const Epilogue& epilogue);

// How a product is cut into tasks: `row_blocks` x `col_blocks`, of which each is nearly equal.
struct Grid {
  int64_t row_blocks = 1, col_blocks = 1;
  int64_t tasks() const { return row_blocks * col_blocks; }
};
// max_rows > 0 bounds the rows of one block. The grid decides only speed, never a result.
Grid choose_grid(const Microkernels& kernels, int64_t m, int64_t n, int64_t k, int threads, int64_t max_rows);

// The part [begin, end) of `total` that block `i` of `blocks` covers, in whole multiples of `unit` but for the last.
struct Range {
  int64_t begin, end;
};
Range part(int64_t total, int64_t unit, int64_t blocks, int64_t i);

}  // namespace mj::cpu
