// SPDX-License-Identifier: Apache-2.0
// The table of loops over rows of floats that isa/ compiles once per Isa: reductions, softmax, normalization. Sums use
// a fixed set of vector accumulators over blocks of a fixed length, so a result depends on the Isa and on nothing else.
#pragma once

#include <cstdint>

#include "base/isa.h"

namespace mj::cpu {

enum class Fold : uint8_t { sum, sum_abs, sum_square, max, min, prod, count };

struct RowLoops {
  // Reduces x[0, n); for n = 0 the value that changes nothing. NaN anywhere gives NaN.
  float (*fold[static_cast<int>(Fold::count)])(const float* x, int64_t n);
  // y[j] = reduction over i of x[i * stride + j], for j in [0, width).
  void (*fold_columns[static_cast<int>(Fold::count)])(const float* x, int64_t rows, int64_t stride, int64_t width,
                                                      float* y);
  // Mean and mean squared distance from it, in two passes.
  void (*moments)(const float* x, int64_t n, float* mean, float* variance);
  // The same down each column of x[rows][stride], of which `width` are done.
  void (*column_moments)(const float* x, int64_t rows, int64_t stride, int64_t width, float* mean, float* variance);

  void (*softmax)(const float* x, int64_t n, float* y);
  void (*log_softmax)(const float* x, int64_t n, float* y);
  // The same down the columns of x[length][stride], of which `width` are done.
  void (*softmax_columns)(const float* x, int64_t length, int64_t stride, int64_t width, float* y);
  void (*log_softmax_columns)(const float* x, int64_t length, int64_t stride, int64_t width, float* y);

  // For attention: x = exp(x * scale + mask + constant - largest) with `largest` such that the greatest is 1; mask may
  // be null. Returns the sum of the new x; NaN where every x is hidden by -inf, with *all_hidden set.
  float (*exp_scores)(float* x, int64_t n, float scale, const float* mask, float constant, bool* all_hidden);

  // y = (x - mean) * factor * scale + bias with scale and bias for each element; bias may be null.
  void (*normalize)(const float* x, int64_t n, float mean, float factor, const float* scale, const float* bias,
                    float* y);
  // y[i] = x[i] cos[i] - x[i + half] sin[i] and y[i + half] = x[i + half] cos[i + cos_next] + x[i] sin[i + sin_next]
  // for i in [0, half).
  void (*rotate_halves)(const float* x, int64_t half, const float* cos, int64_t cos_next, const float* sin,
                        int64_t sin_next, float* y);
  // y[i] = start + sum over t of weights[t] * rows[t][i]
  void (*weighted_sum)(const float* const* rows, const float* weights, int64_t count, float start, int64_t n, float* y);
  // y = (x - mean) * factor + bias, one number each for the whole stretch, or one for each element.
  void (*shift_scale)(const float* x, int64_t n, float mean, float factor, float bias, float* y);
  void (*shift_scale_columns)(const float* x, int64_t n, const float* mean, const float* factor, const float* bias,
                              float* y);
};

// The table for `isa`, which this machine must be able to run.
const RowLoops& row_loops(Isa isa);

}  // namespace mj::cpu
