// SPDX-License-Identifier: Apache-2.0
// A pointwise problem as one body.
#pragma once

#include <optional>
#include <string>

#include "problem/problem.h"

namespace mj {

// The problem's operator, if it has one, followed by its epilogue. Parameters are the problem's inputs in their order.
Body pointwise_body(const Problem& problem);

// Why pointwise_f32 cannot take the problem, or nothing.
std::optional<std::string> pointwise_refusal(const Problem& problem);

}  // namespace mj
