// SPDX-License-Identifier: Apache-2.0
// Type: what is known of a value before it runs.
#pragma once

#include <optional>
#include <string>

#include "base/dtype.h"
#include "base/shape.h"

namespace mj {

struct Type {
  enum class Kind : uint8_t {
    tensor = 0,
    sequence = 1,           // of tensors
    optional = 2,           // a tensor or nothing
    optional_sequence = 3,  // a sequence or nothing
  };

  Kind kind = Kind::tensor;
  DType dtype = DType::none;  // of the tensor, or of the tensors inside
  // nullopt: the rank is unknown. Inside a sequence it is what all elements share: any_dim() stands where they may
  // differ. No dim inside a sequence or optional gives a symbol its value.
  std::optional<Shape> shape;

  static Type tensor(DType dtype, Shape shape) { return {Kind::tensor, dtype, std::move(shape)}; }
  static Type unranked(DType dtype) { return {Kind::tensor, dtype, std::nullopt}; }
  static Type sequence(Type element) { return {Kind::sequence, element.dtype, std::move(element.shape)}; }

  bool is_tensor() const { return kind == Kind::tensor; }
  bool is_sequence() const { return kind == Kind::sequence; }
  bool is_optional() const { return kind == Kind::optional || kind == Kind::optional_sequence; }
  // Has it no bytes of its own that a kernel could be given?
  bool boxed() const { return !is_tensor() || dtype == DType::string; }
  // A tensor or sequence as an optional, and back. What is none already, or one already, stays as it is.
  Type as_optional() const;
  Type required() const;

  bool ranked() const { return shape.has_value(); }
  int64_t rank() const { return shape ? static_cast<int64_t>(shape->size()) : -1; }
  bool operator==(const Type&) const = default;
};

// A dim that may be another for each element of a sequence: spelled "?".
Dim any_dim();
// What two kinds of elements of a sequence share; unranked where the ranks differ.
std::optional<Shape> common_shape(const std::optional<Shape>& a, const std::optional<Shape>& b);

// "f32[N,3,224,224]", "i64[]", "f32[?]" (unknown rank), "seq(f32[2])", "opt(f32[2])", "opt(seq(f32["?",2]))".
std::string to_string(const Type& type);

}  // namespace mj
