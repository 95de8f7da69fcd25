// SPDX-License-Identifier: Apache-2.0
// What the CUDA rows of quantized maths share. Their results are those of the integer reference bit for bit, so that no
// compiler may join a product and a sum.
#pragma once

#include <string>
#include <string_view>

#include "ops/quantized.h"

namespace mj {

// exact_mul, exact_add, exact_div: f32, each rounded on its own; rounded_steps(steps, least, most, zero): the number of
// steps within bounds, rounded half to even, from zero on.
std::string_view byte_helpers();
// The element for an expression of the steps above `y_zero`, as an int.
std::string rounded_text(const Requantize& op, std::string_view steps);

}  // namespace mj
