// SPDX-License-Identifier: Apache-2.0
// From a conv step and concrete dims to what the core computes.
#pragma once

#include <span>

#include "kernels/cpu/conv.h"
#include "kernels/kernel.h"
#include "ops/conv.h"

namespace mj {

// 1 or 2 spatial dims; a missing one is 1.
cpu::ConvShape conv_shape(const Conv& op, std::span<const int64_t> x, std::span<const int64_t> w,
                          std::span<const int64_t> y);

bool has_bias(const Problem& problem);

// Weights that were packed ahead: packed[0] is their panels, packed[1] the Isa they are packed for, then their dims.
struct PackedWeights {
  Tensor panels;
  Isa isa;
  std::vector<int64_t> dims;

  // Absent panels, and the Isa of this machine, where an engine has none.
  static PackedWeights of(const MakeArgs& args);
};

}  // namespace mj
