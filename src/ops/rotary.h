// SPDX-License-Identifier: Apache-2.0
// rotary{interleaved}(x, cos, sin): pairs of elements of the last axis, of length D, are rotated
//   y[a] = x[a] * cos[a] - x[b] * sin[a]
//   y[b] = x[b] * cos[b] + x[a] * sin[b]     with pairs (a, b) = (i, i + D/2), or (2i, 2i + 1) if interleaved
// cos and sin broadcast to x, but for a last axis that may also be D/2 long: one number for each pair.
#pragma once

#include "ops/op.h"

namespace mj {

struct Rotary {
  bool interleaved = false;

  static constexpr std::string_view kName = "rotary";
  static constexpr auto kFields = std::tuple{field(1, "interleaved", &Rotary::interleaved)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

// Where the numbers of cos or sin stand for a row of x, whose dims are `x` and whose number counts the rows.
struct RotaryFactors {
  std::vector<int64_t> rows, strides;  // of x's dims but the last; 0 where they are broadcast
  int64_t width = 0;                   // D or D/2

  static Result<RotaryFactors> of(std::span<const int64_t> x, std::span<const int64_t> factors);
  int64_t at(int64_t row) const;
};

}  // namespace mj
