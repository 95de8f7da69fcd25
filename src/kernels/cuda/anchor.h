// SPDX-License-Identifier: Apache-2.0
// What GPU rows with an anchor ask of a problem before anything else.
#pragma once

#include <optional>
#include <string>

#include "problem/problem.h"

namespace mj {

// Why the problem is not one of f32, f16 or bf16 operands with an epilogue that can be written down (body_text.h), or
// nothing. Outputs have the shape of the anchor's result.
std::optional<std::string> float_anchor_refusal(const Problem& problem);

}  // namespace mj
