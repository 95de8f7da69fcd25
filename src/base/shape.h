// SPDX-License-Identifier: Apache-2.0
// Shape: the dims of a tensor, outermost first.
#pragma once

#include <string>
#include <vector>

#include "base/dim.h"
#include "base/result.h"

namespace mj {

using Shape = std::vector<Dim>;

std::string to_string(const Shape& shape);  // "[N,3,224,224]"

Dim element_count(const Shape& shape);  // 1 for a scalar; invalid() on overflow

// Every dim as a number; a negative one is an error.
Result<std::vector<int64_t>> evaluate(const Shape& shape, const Bindings& bindings);

// NumPy's rule, aligned at the innermost axis. What depends on symbols becomes broadcast() dims.
Result<Shape> broadcast_shapes(const Shape& a, const Shape& b);

}  // namespace mj
