// SPDX-License-Identifier: Apache-2.0
// What kernels are timed on.
#pragma once

#include <cstdint>

#include "base/tensor.h"

namespace mj {

// Numbers in [-1, 1] for floats of 16 bits and more; zeros for all else, which are in range as indices.
Tensor noise(DType dtype, std::vector<int64_t> dims, uint32_t seed);

}  // namespace mj
