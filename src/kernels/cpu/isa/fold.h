// SPDX-License-Identifier: Apache-2.0
// Reductions along rows and down columns, see RowLoops.
#pragma once

#include "kernels/cpu/isa/simd_select.h"

namespace mj::cpu::MJ_ISA_NS {

struct FoldSum {
  static constexpr float kStart = 0;
  static Vec map(Vec x) { return x; }
  static Vec combine(Vec a, Vec b) { return a + b; }
};
struct FoldSumAbs : FoldSum {
  static Vec map(Vec x) { return abs(x); }
};
struct FoldSumSquare : FoldSum {
  static Vec map(Vec x) { return x * x; }
};
struct FoldMax {
  static constexpr float kStart = -__builtin_inff();
  static Vec map(Vec x) { return x; }
  static Vec combine(Vec a, Vec b) { return keep_nan(a, max(a, b)); }
};
struct FoldMin {
  static constexpr float kStart = __builtin_inff();
  static Vec map(Vec x) { return x; }
  static Vec combine(Vec a, Vec b) { return keep_nan(a, min(a, b)); }
};
struct FoldProd {
  static constexpr float kStart = 1;
  static Vec map(Vec x) { return x; }
  static Vec combine(Vec a, Vec b) { return a * b; }
};

// A butterfly over the lanes: the same tree for every length.
template <class F>
float fold_lanes(Vec a) {
  if constexpr (Vec::kLanes > 8) a = F::combine(a, swap_lanes<8>(a));
  if constexpr (Vec::kLanes > 4) a = F::combine(a, swap_lanes<4>(a));
  a = F::combine(a, swap_lanes<2>(a));
  a = F::combine(a, swap_lanes<1>(a));
  return first_lane(a);
}

// The last, short vector with what changes nothing in the lanes beyond `rest`.
template <class F, class Map>
Vec load_rest(const float* x, int rest, Map map) {
  float lanes[Vec::kLanes];
  store(lanes, splat(F::kStart));
  store_n(lanes, map(load_n(x, rest)), rest);
  return load(lanes);
}

inline constexpr int64_t kFoldBlock = 4096;  // floats summed before the sum joins the others, which bounds its error

template <class F, class Map>
float fold_block(const float* x, int64_t n, Map map) {
  constexpr int kLanes = Vec::kLanes;
  Vec acc[4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) acc[j] = splat(F::kStart);
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) acc[j] = F::combine(acc[j], map(load(x + i + j * kLanes)));
  }
  for (; i + kLanes <= n; i += kLanes) acc[0] = F::combine(acc[0], map(load(x + i)));
  if (i < n) acc[1] = F::combine(acc[1], load_rest<F>(x + i, static_cast<int>(n - i), map));
  return fold_lanes<F>(F::combine(F::combine(acc[0], acc[1]), F::combine(acc[2], acc[3])));
}

template <class F, class Map>
float fold_row(const float* x, int64_t n, Map map) {
  float total = fold_block<F>(x, min64(n, kFoldBlock), map);
  for (int64_t i = kFoldBlock; i < n; i += kFoldBlock) {
    const Vec block = splat(fold_block<F>(x + i, min64(n - i, kFoldBlock), map));
    total = first_lane(F::combine(splat(total), block));
  }
  return total;
}

template <class F>
float fold(const float* x, int64_t n) {
  return fold_row<F>(x, n, F::map);
}

// Blocks of rows, again to bound the error of sums. `map` takes a vector and its number among the V.
template <class F, int V, bool Tail, class Map>
void fold_column_block(const float* x, int64_t rows, int64_t stride, int tail, float* y, Map map) {
  constexpr int64_t kRows = 128;
  const auto get = [&](const float* p, int j) {
    return Tail && j == V - 1 ? load_n(p + j * Vec::kLanes, tail) : load(p + j * Vec::kLanes);
  };
  Vec total[V];
#pragma GCC unroll 4
  for (int j = 0; j < V; ++j) total[j] = splat(F::kStart);
  for (int64_t first = 0; first < rows; first += kRows) {
    Vec acc[V];
#pragma GCC unroll 4
    for (int j = 0; j < V; ++j) acc[j] = splat(F::kStart);
    const int64_t last = min64(rows, first + kRows);
    for (int64_t i = first; i < last; ++i) {
#pragma GCC unroll 4
      for (int j = 0; j < V; ++j) acc[j] = F::combine(acc[j], map(get(x + i * stride, j), j));
    }
#pragma GCC unroll 4
    for (int j = 0; j < V; ++j) total[j] = F::combine(total[j], acc[j]);
  }
#pragma GCC unroll 4
  for (int j = 0; j < V; ++j) {
    if (Tail && j == V - 1)
      store_n(y + j * Vec::kLanes, total[j], tail);
    else
      store(y + j * Vec::kLanes, total[j]);
  }
}

// `block` takes a column, the number of columns behind the last whole vector (0 if none is left over), and as constants
// the vectors it takes and whether the last is cut.
template <class Block>
void for_column_blocks(int64_t width, Block block) {
  constexpr int kLanes = Vec::kLanes;
  int64_t c = 0;
  for (; c + 4 * kLanes <= width; c += 4 * kLanes) block.template operator()<4, false>(c, 0);
  for (; c + kLanes <= width; c += kLanes) block.template operator()<1, false>(c, 0);
  if (c < width) block.template operator()<1, true>(c, static_cast<int>(width - c));
}

template <class F>
void fold_columns(const float* x, int64_t rows, int64_t stride, int64_t width, float* y) {
  for_column_blocks(width, [&]<int V, bool Tail>(int64_t c, int tail) {
    fold_column_block<F, V, Tail>(x + c, rows, stride, tail, y + c, [](Vec v, int) { return F::map(v); });
  });
}

}  // namespace mj::cpu::MJ_ISA_NS
