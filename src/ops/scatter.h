// SPDX-License-Identifier: Apache-2.0
// What scatter_elements and scatter_nd do where an update lands.
#pragma once

#include <string>

#include "ops/infer.h"

namespace mj {

// `reduction` must be one of none, add, mul, max, min.
Result<void> check_reduction(const InferContext& context, const std::string& reduction);
// Combines n elements of `updates` from `from` into `out` from `to`.
void scatter(const std::string& reduction, const Tensor& updates, int64_t from, Tensor& out, int64_t to, int64_t n);

}  // namespace mj
