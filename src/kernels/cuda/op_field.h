// SPDX-License-Identifier: Apache-2.0
// Fields of operators that have no header.
#pragma once

#include <string_view>
#include <variant>

#include "base/check.h"
#include "ops/op.h"

namespace mj {

template <class T>
T field_of(const Op& op, std::string_view name) {
  for (const NamedField& field : op.fields()) {
    if (field.name == name) return std::get<T>(field.value);
  }
  CHECK(false, "{} has no field {}", op.name(), name);
}

// Field `axis` of an operator on tensors of that rank, counted from the front.
inline size_t axis_field(const Op& op, size_t rank) {
  const auto axis = field_of<int64_t>(op, "axis");
  return static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(rank) : axis);
}

}  // namespace mj
