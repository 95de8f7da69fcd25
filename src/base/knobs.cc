// SPDX-License-Identifier: Apache-2.0
#include "base/knobs.h"

#include <cstdlib>

namespace mj {
namespace {

constexpr KnobRow kRows[] = {
#define MJ_KNOB(field, variable, fallback, help) {variable, fallback, help},
#include "base/knobs.inc"
#undef MJ_KNOB
};
static_assert(std::size(kRows) < 10, "a debug switch that many need is a flag");

}  // namespace

std::optional<std::string_view> knob(Knob knob) {
  // A literal, so zero-terminated; nothing here writes the environment. NOLINTNEXTLINE(concurrency-mt-unsafe)
  const char* text = std::getenv(kRows[static_cast<size_t>(knob)].variable.data());
  return text && *text ? std::optional<std::string_view>(text) : std::nullopt;
}

std::span<const KnobRow> knob_rows() { return kRows; }

}  // namespace mj
