// SPDX-License-Identifier: Apache-2.0
// Compiled once per Isa: loops over rows.
#include "kernels/cpu/row_loops.h"

#include "kernels/cpu/isa/fold.h"
#include "kernels/cpu/isa/vmath.h"

namespace mj::cpu::MJ_ISA_NS {
namespace {

constexpr int kLanes = Vec::kLanes;

// y[i] = f(x[i], i) for all i, the last vector cut.
template <class F>
void map_row(const float* x, int64_t n, float* y, F f) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, f(load(x + i), i, kLanes));
  if (i < n)
    store_n(y + i, f(load_n(x + i, static_cast<int>(n - i)), i, static_cast<int>(n - i)), static_cast<int>(n - i));
}

void moments(const float* x, int64_t n, float* mean, float* variance) {
  const float count = static_cast<float>(n);
  const float m = fold<FoldSum>(x, n) / count;
  const Vec centre = splat(m);
  *mean = m;
  *variance = fold_row<FoldSum>(x, n, [&](Vec v) { return (v - centre) * (v - centre); }) / count;
}

void column_moments(const float* x, int64_t rows, int64_t stride, int64_t width, float* mean, float* variance) {
  const Vec share = splat(1.0f / static_cast<float>(rows));
  for_column_blocks(width, [&]<int V, bool Tail>(int64_t c, int tail) {
    const auto average = [&](float* y) {
      for (int j = 0; j < V; ++j, y += kLanes) {
        if (Tail)
          store_n(y, load_n(y, tail) * share, tail);
        else
          store(y, load(y) * share);
      }
    };
    fold_column_block<FoldSum, V, Tail>(x + c, rows, stride, tail, mean + c, [](Vec v, int) { return v; });
    average(mean + c);
    Vec centre[V];
    for (int j = 0; j < V; ++j) centre[j] = Tail ? load_n(mean + c, tail) : load(mean + c + j * kLanes);
    fold_column_block<FoldSum, V, Tail>(x + c, rows, stride, tail, variance + c,
                                        [&](Vec v, int j) { return (v - centre[j]) * (v - centre[j]); });
    average(variance + c);
  });
}

// The largest of a row for softmax. NaN may get lost: the exponentials bring it back.
struct FoldTop : FoldMax {
  static Vec combine(Vec a, Vec b) { return max(a, b); }
};

// y = exp(x - largest); returns the sum. Four sums hide the latency of one.
float exp_row(const float* x, int64_t n, float largest, float* y) {
  const Vec shift = splat(largest);
  Vec sum[4] = {zero(), zero(), zero(), zero()};
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const Vec e = exp_not_positive(load(x + i + j * kLanes) - shift);
      store(y + i + j * kLanes, e);
      sum[j] = sum[j] + e;
    }
  }
  for (; i + kLanes <= n; i += kLanes) {
    const Vec e = exp_not_positive(load(x + i) - shift);
    store(y + i, e);
    sum[0] = sum[0] + e;
  }
  if (i < n) {
    const int rest = static_cast<int>(n - i);
    store_n(y + i, exp_not_positive(load_n(x + i, rest) - shift), rest);
    sum[1] = sum[1] + load_n(y + i, rest);
  }
  return fold_lanes<FoldSum>((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

void softmax(const float* x, int64_t n, float* y) {
  if (n == 0) return;
  const float sum = exp_row(x, n, fold<FoldTop>(x, n), y);
  const Vec factor = splat(1.0f / sum);
  map_row(y, n, y, [&](Vec v, int64_t, int) { return v * factor; });
}

void log_softmax(const float* x, int64_t n, float* y) {
  if (n == 0) return;
  const float largest = fold<FoldTop>(x, n);
  const Vec shift = splat(largest), log_sum = log(splat(exp_row(x, n, largest, y)));
  map_row(x, n, y, [&](Vec v, int64_t, int) { return (v - shift) - log_sum; });
}

// One vector of columns; Log: x - max - log(sum).
template <bool Log, bool Tail>
void softmax_column_block(const float* x, int64_t length, int64_t stride, int tail, float* y) {
  const auto get = [&](const float* p) { return Tail ? load_n(p, tail) : load(p); };
  const auto put = [&](float* p, Vec v) {
    if (Tail)
      store_n(p, v, tail);
    else
      store(p, v);
  };
  Vec largest = splat(-__builtin_inff());
  for (int64_t i = 0; i < length; ++i) largest = max(largest, get(x + i * stride));
  Vec sum = zero();
  for (int64_t i = 0; i < length; ++i) {
    const Vec e = exp_not_positive(get(x + i * stride) - largest);
    if (!Log) put(y + i * stride, e);
    sum = sum + e;
  }
  const Vec factor = Log ? log(sum) : splat(1.0f) / sum;
  for (int64_t i = 0; i < length; ++i) {
    put(y + i * stride, Log ? (get(x + i * stride) - largest) - factor : get(y + i * stride) * factor);
  }
}

template <bool Log>
void softmax_columns(const float* x, int64_t length, int64_t stride, int64_t width, float* y) {
  int64_t c = 0;
  for (; c + kLanes <= width; c += kLanes) softmax_column_block<Log, false>(x + c, length, stride, 0, y + c);
  if (c < width) softmax_column_block<Log, true>(x + c, length, stride, static_cast<int>(width - c), y + c);
}

float exp_scores(float* x, int64_t n, float scale, const float* mask, float constant, bool* all_hidden) {
  const Vec factor = splat(scale), added = splat(constant);
  Vec largest = splat(-__builtin_inff());
  map_row(x, n, x, [&](Vec v, int64_t i, int count) {
    Vec score = v * factor + added;
    if (mask) score = score + (count == kLanes ? load(mask + i) : load_n(mask + i, count));
    if (count == kLanes) largest = max(largest, score);
    return score;
  });
  const int rest = static_cast<int>(n % kLanes);
  if (rest) largest = max(largest, load_rest<FoldMax>(x + n - rest, rest, FoldMax::map));
  const float top = fold_lanes<FoldTop>(largest);
  *all_hidden = top == -__builtin_inff();
  return exp_row(x, n, top, x);
}

void normalize(const float* x, int64_t n, float mean, float factor, const float* scale, const float* bias, float* y) {
  const Vec m = splat(mean), f = splat(factor);
  map_row(x, n, y, [&](Vec v, int64_t i, int count) {
    const bool full = count == kLanes;
    const Vec s = full ? load(scale + i) : load_n(scale + i, count);
    const Vec scaled = (v - m) * f * s;
    if (!bias) return scaled;
    return scaled + (full ? load(bias + i) : load_n(bias + i, count));
  });
}

void rotate_halves(const float* x, int64_t half, const float* cos, int64_t cos_next, const float* sin, int64_t sin_next,
                   float* y) {
  for (int64_t i = 0; i < half; i += kLanes) {
    const int width = static_cast<int>(min64(kLanes, half - i));
    const auto get = [&](const float* p) { return width == kLanes ? load(p + i) : load_n(p + i, width); };
    const auto put = [&](float* p, Vec v) {
      if (width == kLanes)
        store(p + i, v);
      else
        store_n(p + i, v, width);
    };
    const Vec a = get(x), b = get(x + half);
    put(y, a * get(cos) - b * get(sin));
    put(y + half, b * get(cos + cos_next) + a * get(sin + sin_next));
  }
}

void weighted_sum(const float* const* rows, const float* weights, int64_t count, float start, int64_t n, float* y) {
  for (int64_t i = 0; i < n; i += kLanes) {
    const int width = static_cast<int>(min64(kLanes, n - i));
    const bool full = width == kLanes;
    Vec sum = splat(start);
    for (int64_t t = 0; t < count; ++t) {
      sum = sum + splat(weights[t]) * (full ? load(rows[t] + i) : load_n(rows[t] + i, width));
    }
    if (full)
      store(y + i, sum);
    else
      store_n(y + i, sum, width);
  }
}

void shift_scale(const float* x, int64_t n, float mean, float factor, float bias, float* y) {
  const Vec m = splat(mean), f = splat(factor), b = splat(bias);
  map_row(x, n, y, [&](Vec v, int64_t, int) { return (v - m) * f + b; });
}

void shift_scale_columns(const float* x, int64_t n, const float* mean, const float* factor, const float* bias,
                         float* y) {
  map_row(x, n, y, [&](Vec v, int64_t i, int count) {
    const auto get = [&](const float* p) { return count == kLanes ? load(p + i) : load_n(p + i, count); };
    return (v - get(mean)) * get(factor) + get(bias);
  });
}

}  // namespace

extern const RowLoops kRowLoops;
const RowLoops kRowLoops = {
    {fold<FoldSum>, fold<FoldSumAbs>, fold<FoldSumSquare>, fold<FoldMax>, fold<FoldMin>, fold<FoldProd>},
    {fold_columns<FoldSum>, fold_columns<FoldSumAbs>, fold_columns<FoldSumSquare>, fold_columns<FoldMax>,
     fold_columns<FoldMin>, fold_columns<FoldProd>},
    moments,
    column_moments,
    softmax,
    log_softmax,
    softmax_columns<false>,
    softmax_columns<true>,
    exp_scores,
    normalize,
    rotate_halves,
    weighted_sum,
    shift_scale,
    shift_scale_columns};

}  // namespace mj::cpu::MJ_ISA_NS
