// SPDX-License-Identifier: Apache-2.0
// What the normalizations share: checks, and the maths on one line in double.
#pragma once

#include "ops/infer.h"

namespace mj {

// Input 0 is floating point with at least this rank.
Result<void> check_norm_input(const InferContext& context, int64_t least_rank);
// Input i, floating point of shape [channels of x].
Result<void> check_per_channel(const InferContext& context, size_t i, bool channels_last = false);
// line = (line - mean) / sqrt(variance + epsilon)
void normalize_line(std::span<double> line, double epsilon);

}  // namespace mj
