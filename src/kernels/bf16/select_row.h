// SPDX-License-Identifier: Apache-2.0
// How a family's rules for products in bf16 become a row for each unit.
#pragma once

#include "kernels/bf16/unit.h"
#include "kernels/estimate.h"
#include "kernels/select.h"

namespace mj {

// What a family says of all its units alike.
struct Bf16Family {
  std::string_view name;
  Refusal (*refuses)(const Problem& problem, const Target& target);
  // Multiply-adds for one element of the output, if its shapes tell.
  std::optional<double> (*terms)(const Problem& problem, const Bindings& bindings);
  Result<Packed> (*pack)(const Problem& problem, const Target& target, std::string_view config,
                         std::span<const Tensor> constants);
};

template <const Bf16Family& family, cpu::Bf16Unit unit>
constexpr SelectRow bf16_select_row(std::string_view name, std::string_view alternative) {
  const auto refuses = [](const Problem& problem, const Target& target) {
    Refusal reason = refuses_unit(target, unit);
    return reason ? reason : family.refuses(problem, target);
  };
  const auto estimate = [](const Problem& problem, const Target& target, const Bindings& bindings) {
    const std::optional<double> terms = family.terms(problem, bindings);
    return terms ? streaming_seconds(problem, target, bindings, *terms * bf16_cycles_per_term(unit)) : std::nullopt;
  };
  return {family.name, name, 1, refuses, one_config, estimate, family.pack, alternative, DType::bf16};
}

}  // namespace mj
