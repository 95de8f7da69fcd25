// SPDX-License-Identifier: Apache-2.0
// Indices that come as data, which may say anything.
#pragma once

#include "ops/infer.h"

namespace mj {

// Input i must be i32 or i64.
Result<void> require_indices(const InferContext& context, size_t i);
// `index` of a dim of length `n`, negative ones from the end, or an error that names both.
Result<int64_t> checked_index(std::string_view op, int64_t index, int64_t n);

}  // namespace mj
