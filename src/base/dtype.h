// SPDX-License-Identifier: Apache-2.0
// Element types. The numbers are permanent: they stand in engine files and tactic caches.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace mj {

enum class DType : uint8_t {
  none = 0,  // an absent optional tensor
  f32 = 1,
  f64 = 2,
  f16 = 3,
  bf16 = 4,
  f8e4m3 = 5,  // OCP E4M3, finite, NaN only (ONNX FLOAT8E4M3FN)
  f8e5m2 = 6,
  i4 = 7,
  u4 = 8,
  i8 = 9,
  i16 = 10,
  i32 = 11,
  i64 = 12,
  u8 = 13,
  u16 = 14,
  u32 = 15,
  u64 = 16,
  boolean = 17,
  string = 18,
  i2 = 19,
  u2 = 20,
  f8e4m3fnuz = 21,  // finite, one NaN, no negative zero
  f8e5m2fnuz = 22,
  f4e2m1 = 23,  // neither infinities nor NaN
  f8e8m0 = 24,  // powers of two and NaN; no sign, no zero
};

inline constexpr int kDTypeCount = 25;

// "f32", "i64", "bool", ...; the spelling of the text form and of the engine manifest.
std::string_view name(DType dtype);
std::optional<DType> parse_dtype(std::string_view text);

// Bytes of one element in memory. Sub-byte types are held one element a byte; strings have no size (0).
int64_t storage_bytes(DType dtype);
// Bits of one element: what it takes in a model's file, where elements below a byte are packed. Strings have none (0).
int64_t bits(DType dtype);
// Any byte is an element of most types. Bools are 0 or 1; elements below a byte stand in its lower bits, signed
// integers with their sign in the others.
bool is_element(DType dtype, uint8_t byte);

bool is_float(DType dtype);
bool is_small_float(DType dtype);  // with a sign, of a byte or less
bool is_signed(DType dtype);       // floats and signed integers
bool is_integer(DType dtype);      // without bool

}  // namespace mj
