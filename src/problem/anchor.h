// SPDX-License-Identifier: Apache-2.0
// What a problem's anchor gives to its epilogue.
#pragma once

#include <optional>

#include "problem/problem.h"

namespace mj {

// The type of the anchor's result, if it can be told from the inputs' types.
std::optional<Type> anchor_type(const Problem& problem);

// Are the dims of two shapes equal for certain?
bool same_shape(const Shape& a, const Shape& b);

}  // namespace mj
