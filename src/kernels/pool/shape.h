// SPDX-License-Identifier: Apache-2.0
// From a pool step and concrete dims to what the core computes.
#pragma once

#include <span>

#include "kernels/cpu/pool.h"
#include "ops/pool.h"

namespace mj {

// Of a maximum; an average has two more fields.
cpu::PoolShape pool_shape(const PoolFields& fields, std::span<const int64_t> x, std::span<const int64_t> y);

}  // namespace mj
