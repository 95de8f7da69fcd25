// SPDX-License-Identifier: Apache-2.0
// The table of inner loops for products of operands rounded to bf16 (nearest even), added up in fp32.
//
// What they compute is the plain definition: the products of two bf16 are exact in fp32, and are added to a sum that
// starts at 0. Tables differ in the order of their sums alone, and in that the instructions made for bf16 take
// denormals for 0: |difference| <= 2 k 2^-24 sum|a b| + k 2^-126 (1 + max|a| + max|b|). Within one table an element's
// order depends on nothing but k.
//
// A comes in strips of 16 rows, [k_tiles][16][32]; B in panels of 32 columns, [k_tiles * 16][32][2]: a tile of k is 32
// deep, and what is beyond the end is 0 in both. AMX multiplies them where they stand; the others read pairs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/isa.h"

namespace mj::cpu {

inline constexpr int64_t kBf16Strip = 16, kBf16Panel = 32, kBf16Deep = 32;

// The instructions that multiply bf16, if any.
enum class Bf16Unit : uint8_t { none, avx512_bf16, amx_bf16 };
std::string_view name(Bf16Unit unit);
// Why this machine, its operating system or this build cannot use it; empty if they can. The first call for AMX asks
// the system for the state of its tiles, on behalf of the whole process. Thread-safe.
std::string missing(Bf16Unit unit);

// sums[i][j] (+)= sum over k of a[i][k] * b[k][j], for up to two strips by one panel.
struct Bf16TileArgs {
  const uint16_t* a;
  int64_t strip_stride;  // elements from one strip to the next
  int64_t m;             // rows, 1 to 32; beyond 16 the second strip is read
  const uint16_t* b;
  int64_t k_tiles;
  float* sums;  // [32][32], aligned to 64; rows beyond m have no meaning
  bool accumulate;
};

// c[i][j] = clamp(sums[i][j] + bias[j] + residual[i][j]) for m rows and n columns of a tile.
struct Bf16FinishArgs {
  const float* sums;
  int64_t m, n;
  float* c;
  int64_t ldc;
  const float* bias;      // or null
  const float* residual;  // or null
  int64_t ld_residual;
  bool clip;  // NaN stays NaN
  float lo, hi;
};

// A strip whose rows are `runs` stretches of `run` elements each. Reads up to 31 elements beyond a stretch.
struct Bf16GatherArgs {
  const uint16_t* const* rows;  // of m rows, 1 to 16
  int64_t m;
  const int64_t* offsets;  // from a row's pointer to its runs
  int64_t runs, run;
  uint16_t* line;  // scratch of at least runs * run + 32 elements, rounded up to 32
  uint16_t* strip;
};

struct Bf16Kernels {
  double min_task_flops;  // below, a task costs more to hand over than it wins
  // Around the tiles of a task, on its thread; null where nothing is to be done.
  void (*enter)();
  void (*leave)();
  void (*round)(const float* x, int64_t n, uint16_t* y);
  // A strip from m rows of k floats, lda apart.
  void (*round_strip)(const float* a, int64_t lda, int64_t m, int64_t k, uint16_t* strip);
  void (*gather_strip)(const Bf16GatherArgs&);
  void (*tile)(const Bf16TileArgs&);
  void (*finish)(const Bf16FinishArgs&);
};

// The table for `isa` and `unit`, which this machine must have; with Bf16Unit::none plain fp32 instructions.
const Bf16Kernels& bf16_kernels(Isa isa, Bf16Unit unit);

}  // namespace mj::cpu
