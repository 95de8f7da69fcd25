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
};

inline constexpr int kDTypeCount = 19;

// "f32", "i64", "bool", ...; the spelling of the text form and of the engine manifest.
std::string_view name(DType dtype);
std::optional<DType> parse_dtype(std::string_view text);

// Bytes of one element in memory. Sub-byte types are held one element a byte; strings have no size (0).
int64_t storage_bytes(DType dtype);

bool is_float(DType dtype);
bool is_signed(DType dtype);   // floats and signed integers
bool is_integer(DType dtype);  // without bool

}  // namespace mj
