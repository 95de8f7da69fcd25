// SPDX-License-Identifier: Apache-2.0
// A mean over neighbouring axes as [outer, length, inner], of which the middle is summed up.
#pragma once

#include <cstdint>
#include <span>

#include "ops/quantized.h"

namespace mj {

struct MeanForm {
  int64_t outer = 1, length = 1, inner = 1;
};

// Are the axes neighbours in an input of this rank?
bool has_mean_form(const QuantizedMean& op, int64_t rank);
MeanForm mean_form(const QuantizedMean& op, std::span<const int64_t> dims);

}  // namespace mj
