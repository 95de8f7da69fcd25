// SPDX-License-Identifier: Apache-2.0
// An operator's attributes as data. From kFields come printing, parsing, hashing, equality, ONNX attributes and the
// engine format, so a field's number is permanent: never reuse one, never change the type behind it.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/tensor.h"

namespace mj {

using FieldValue = std::variant<int64_t, float, bool, std::string, DType, std::vector<int64_t>, std::vector<float>,
                                std::vector<std::string>, Tensor>;

struct NamedField {
  int number = 0;
  std::string_view name;
  FieldValue value;
};

template <class Op, class T>
struct Field {
  using Value = T;
  int number;
  std::string_view name;  // also the ONNX attribute's name, where the operator is a regular one
  T Op::*member;
};

template <class Op, class T>
constexpr Field<Op, T> field(int number, std::string_view name, T Op::*member) {
  return {number, name, member};
}

bool same_field(const FieldValue& a, const FieldValue& b);  // floats by bits, tensors by contents
// "3", "0.5", "true", "\"same\"", "f32", "[1, 2]", "[0.5]"; tensors as to_string(tensor) in full.
std::string to_string(const FieldValue& value);

}  // namespace mj
