// SPDX-License-Identifier: Apache-2.0
// The debug switches of knobs.inc.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace mj {

enum class Knob {
#define MJ_KNOB(field, variable, fallback, help) field,
#include "base/knobs.inc"
#undef MJ_KNOB
};

// What the environment says; nullopt when the variable is not set or empty.
std::optional<std::string_view> knob(Knob knob);

struct KnobRow {
  std::string_view variable, fallback, help;
};
std::span<const KnobRow> knob_rows();  // in the order of the enum

}  // namespace mj
