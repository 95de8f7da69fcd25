// SPDX-License-Identifier: Apache-2.0
// What the rows of products in bf16 have in common. A family has three: one in plain fp32 instructions, which runs
// everywhere and is what steps of the other two run by where a machine has not their instructions, and one for each
// unit. All pack alike.
#pragma once

#include <optional>
#include <string>

#include "kernels/cpu/bf16.h"
#include "problem/target.h"

namespace mj {

// Why no row of this unit is offered for the target, or nothing.
std::optional<std::string> refuses_unit(const Target& target, cpu::Bf16Unit unit);
// Cycles of one multiply-add in a vector's lane, for estimates.
double bf16_cycles_per_term(cpu::Bf16Unit unit);

constexpr Isa isa_of(cpu::Bf16Unit unit) { return unit == cpu::Bf16Unit::none ? Isa::portable : Isa::avx512; }

}  // namespace mj
