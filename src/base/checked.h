// SPDX-License-Identifier: Apache-2.0
// Arithmetic on sizes and parsing of numbers that come from files, requests and flags.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/dtype.h"
#include "base/result.h"

namespace mj {

// nullopt on overflow.
template <std::integral T>
constexpr std::optional<T> checked_add(T a, std::type_identity_t<T> b) {
  T out{};
  return __builtin_add_overflow(a, b, &out) ? std::nullopt : std::optional<T>(out);
}
template <std::integral T>
constexpr std::optional<T> checked_mul(T a, std::type_identity_t<T> b) {
  T out{};
  return __builtin_mul_overflow(a, b, &out) ? std::nullopt : std::optional<T>(out);
}

inline Result<int64_t> element_count(std::span<const int64_t> dims) {
  int64_t count = 1;
  bool overflow = false, empty = false;  // 0 elements whatever stands beside the 0
  for (int64_t dim : dims) {
    if (dim < 0) return model_error("a tensor cannot have {} elements along an axis", dim);
    empty |= dim == 0;
    overflow |= __builtin_mul_overflow(count, dim, &count);
  }
  if (empty) return 0;
  if (overflow) return model_error("a tensor with these dims ({}, ...) has more than 2^63 elements", dims[0]);
  return count;
}

// In memory (dtype.h: storage_bytes).
inline Result<int64_t> tensor_bytes(DType dtype, std::span<const int64_t> dims) {
  MJ_ASSIGN(const int64_t count, element_count(dims));
  const std::optional<int64_t> bytes = checked_mul(count, storage_bytes(dtype));
  if (!bytes) return model_error("a tensor with {} elements of {} has more than 2^63 bytes", count, name(dtype));
  return *bytes;
}

// The whole text must be one decimal number in range; no blanks, no leading '+'.
inline std::optional<int64_t> parse_int64(std::string_view text) {
  int64_t value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  return status == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}
// Also takes exponents, "inf" and "nan". Does not depend on the locale.
inline std::optional<double> parse_double(std::string_view text) {
  double value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  return status == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

}  // namespace mj
