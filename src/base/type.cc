// SPDX-License-Identifier: Apache-2.0
#include "base/type.h"

#include <fmt/format.h>

namespace mj {

Dim any_dim() { return Dim::symbol("?"); }

std::optional<Shape> common_shape(const std::optional<Shape>& a, const std::optional<Shape>& b) {
  if (!a || !b || a->size() != b->size()) return std::nullopt;
  Shape common = *a;
  for (size_t d = 0; d < common.size(); ++d) {
    if (common[d] != (*b)[d]) common[d] = any_dim();
  }
  return common;
}

Type Type::as_optional() const {
  Type type = *this;
  if (kind == Kind::tensor) type.kind = Kind::optional;
  if (kind == Kind::sequence) type.kind = Kind::optional_sequence;
  return type;
}

Type Type::required() const {
  Type type = *this;
  if (kind == Kind::optional) type.kind = Kind::tensor;
  if (kind == Kind::optional_sequence) type.kind = Kind::sequence;
  return type;
}

std::string to_string(const Type& type) {
  std::string dims = type.shape ? to_string(*type.shape) : "[?]";
  std::string tensor = fmt::format("{}{}", name(type.dtype), dims);
  switch (type.kind) {
    case Type::Kind::tensor:
      return tensor;
    case Type::Kind::sequence:
      return fmt::format("seq({})", tensor);
    case Type::Kind::optional:
      return fmt::format("opt({})", tensor);
    case Type::Kind::optional_sequence:
      return fmt::format("opt(seq({}))", tensor);
  }
  return tensor;
}

}  // namespace mj
