// SPDX-License-Identifier: Apache-2.0
// How a family's kernel in bf16 becomes a row for each unit.
#pragma once

#include "kernels/bf16/unit.h"
#include "kernels/kernel.h"

namespace mj {

// make(args, unit), on machines that have the unit.
template <cpu::Bf16Unit unit, auto make>
Result<std::unique_ptr<Kernel>> make_for_unit(const MakeArgs& args) {
  if (const std::string reason = cpu::missing(unit); !reason.empty()) {
    return error(ErrorCode::environment, "it multiplies by {}: {}", cpu::name(unit), reason);
  }
  return make(args, unit);
}

template <cpu::Bf16Unit unit>
std::string missing_unit() {
  return cpu::missing(unit);
}

template <cpu::Bf16Unit unit, auto make>
constexpr RunRow bf16_run_row(std::string_view name) {
  constexpr auto kMissing = unit == cpu::Bf16Unit::none ? nullptr : &missing_unit<unit>;
  return {name, 1, isa_of(unit), make_for_unit<unit, make>, kMissing, DType::bf16};
}

}  // namespace mj
