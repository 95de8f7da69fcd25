// SPDX-License-Identifier: Apache-2.0
// Type: what is known of a value before it runs.
#pragma once

#include <optional>
#include <string>

#include "base/dtype.h"
#include "base/shape.h"

namespace mj {

struct Type {
  enum class Kind : uint8_t { tensor, sequence, optional };

  Kind kind = Kind::tensor;
  DType dtype = DType::none;   // of the tensor, or of the elements
  std::optional<Shape> shape;  // nullopt: the rank is unknown

  static Type tensor(DType dtype, Shape shape) { return {Kind::tensor, dtype, std::move(shape)}; }
  static Type unranked(DType dtype) { return {Kind::tensor, dtype, std::nullopt}; }

  bool ranked() const { return shape.has_value(); }
  int64_t rank() const { return shape ? static_cast<int64_t>(shape->size()) : -1; }
  bool operator==(const Type&) const = default;
};

// "f32[N,3,224,224]", "i64[]", "f32[?]" (unknown rank), "seq(f32[2])", "opt(f32[2])".
std::string to_string(const Type& type);

}  // namespace mj
