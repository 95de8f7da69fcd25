// SPDX-License-Identifier: Apache-2.0
// Slices and split parts, read as a stretch of one axis.
#pragma once

#include <optional>

#include "ir/graph.h"

namespace mj {

// source[start], source[start + step], ... below `end` along the axis.
struct Part {
  ValueId source = kAbsent;
  int64_t start = 0, end = 0, step = 1;
};

// Nothing if the value is no part along `axis` with known bounds, or is one along several.
std::optional<Part> part_of(const Graph& graph, ValueId id, int64_t axis);

}  // namespace mj
