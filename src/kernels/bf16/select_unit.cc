// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "kernels/bf16/unit.h"

namespace mj {

std::optional<std::string> refuses_unit(const Target& target, cpu::Bf16Unit unit) {
  const bool has = unit == cpu::Bf16Unit::none || (unit == cpu::Bf16Unit::avx512_bf16 && target.avx512_bf16) ||
                   (unit == cpu::Bf16Unit::amx_bf16 && target.amx_bf16);
  if (target.isa >= isa_of(unit) && has) return std::nullopt;
  return fmt::format("the target has no {}", cpu::name(unit));
}

// Of fp32 one takes 0.55. Without instructions for bf16 each pair must be taken apart as well.
double bf16_cycles_per_term(cpu::Bf16Unit unit) {
  return unit == cpu::Bf16Unit::amx_bf16 ? 0.05 : unit == cpu::Bf16Unit::avx512_bf16 ? 0.6 : 1.0;
}

}  // namespace mj
