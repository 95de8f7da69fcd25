// SPDX-License-Identifier: Apache-2.0
// What happens to each element of a product before it leaves the cache.
#pragma once

#include <cstdint>

namespace mj::cpu {

// Applied in this order to c[row][col]: + bias[col], + residual[row][col], clamp to [lo, hi], then `callback`.
struct Epilogue {
  const float* bias = nullptr;      // one per column
  const float* residual = nullptr;  // of c's shape; must not overlap c
  int64_t ld_residual = 0;          // floats from one row of residual to the next
  bool clip = false;                // NaN stays NaN; relu is lo = 0, hi = +inf
  float lo = 0, hi = 0;
  // Called once for every finished stretch c[row][col .. col + n), which it may change in place (or consume elsewhere),
  // from any thread of the pool. Where rows lie one behind the other a stretch may hold several of them. The stretches
  // of one call depend on shape and thread count: treat elements singly.
  void (*callback)(void* context, float* values, int64_t row, int64_t col, int64_t n) = nullptr;
  void* context = nullptr;
};

}  // namespace mj::cpu
