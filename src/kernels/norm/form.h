// SPDX-License-Identifier: Apache-2.0
// What the two normalization rows take.
#pragma once

#include <optional>
#include <string>

#include "problem/problem.h"

namespace mj {

// row_norm_f32: layer_norm and rms_norm over the last axes with a scale for each element of a row.
std::optional<std::string> row_norm_refusal(const Problem& problem);
// channel_norm_f32: batch_norm, instance_norm and group_norm of [N,C,...].
std::optional<std::string> channel_norm_refusal(const Problem& problem);

// The first normalized axis in [0, rank).
size_t first_axis(int64_t axis, size_t rank);

}  // namespace mj
