// SPDX-License-Identifier: Apache-2.0
// From a conv operator and concrete dims to what the core computes.
#pragma once

#include <span>

#include "kernels/cpu/conv.h"
#include "ops/conv.h"

namespace mj {

// 1 or 2 spatial dims; a missing one is 1.
cpu::ConvShape conv_shape(const Conv& op, std::span<const int64_t> x, std::span<const int64_t> w,
                          std::span<const int64_t> y);

}  // namespace mj
