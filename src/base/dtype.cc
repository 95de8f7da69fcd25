// SPDX-License-Identifier: Apache-2.0
#include "base/dtype.h"

#include <array>

namespace mj {
namespace {

struct Row {
  std::string_view name;
  int64_t bits;
  bool is_float, is_signed, is_integer;
};

constexpr std::array<Row, kDTypeCount> kRows = {{
    {"none", 0, false, false, false},     {"f32", 32, true, true, false},       {"f64", 64, true, true, false},
    {"f16", 16, true, true, false},       {"bf16", 16, true, true, false},      {"f8e4m3", 8, true, true, false},
    {"f8e5m2", 8, true, true, false},     {"i4", 4, false, true, true},         {"u4", 4, false, false, true},
    {"i8", 8, false, true, true},         {"i16", 16, false, true, true},       {"i32", 32, false, true, true},
    {"i64", 64, false, true, true},       {"u8", 8, false, false, true},        {"u16", 16, false, false, true},
    {"u32", 32, false, false, true},      {"u64", 64, false, false, true},      {"bool", 8, false, false, false},
    {"string", 0, false, false, false},   {"i2", 2, false, true, true},         {"u2", 2, false, false, true},
    {"f8e4m3fnuz", 8, true, true, false}, {"f8e5m2fnuz", 8, true, true, false}, {"f4e2m1", 4, true, true, false},
    {"f8e8m0", 8, true, false, false},
}};

const Row& row(DType dtype) { return kRows.at(static_cast<size_t>(dtype)); }

}  // namespace

std::string_view name(DType dtype) { return row(dtype).name; }

std::optional<DType> parse_dtype(std::string_view text) {
  for (size_t i = 1; i < kRows.size(); ++i) {
    if (kRows[i].name == text) return static_cast<DType>(i);
  }
  return std::nullopt;
}

int64_t bits(DType dtype) { return row(dtype).bits; }
int64_t storage_bytes(DType dtype) { return (bits(dtype) + 7) / 8; }

bool is_element(DType dtype, uint8_t byte) {
  if (dtype == DType::boolean) return byte <= 1;
  const int64_t n = bits(dtype);
  if (n >= 8) return true;
  if (!is_signed(dtype) || is_float(dtype)) return byte >> n == 0;
  const int upper = static_cast<int8_t>(byte) >> (n - 1);  // the sign and what stands above it
  return upper == 0 || upper == -1;
}

bool is_float(DType dtype) { return row(dtype).is_float; }
bool is_small_float(DType dtype) { return is_float(dtype) && is_signed(dtype) && bits(dtype) <= 8; }
bool is_signed(DType dtype) { return row(dtype).is_signed; }
bool is_integer(DType dtype) { return row(dtype).is_integer; }

}  // namespace mj
