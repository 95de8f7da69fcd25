// SPDX-License-Identifier: Apache-2.0
#include "base/dtype.h"

#include <array>

namespace mj {
namespace {

struct Row {
  std::string_view name;
  int64_t bytes;
  bool is_float, is_signed, is_integer;
};

constexpr std::array<Row, kDTypeCount> kRows = {{
    {"none", 0, false, false, false},   {"f32", 4, true, true, false},  {"f64", 8, true, true, false},
    {"f16", 2, true, true, false},      {"bf16", 2, true, true, false}, {"f8e4m3", 1, true, true, false},
    {"f8e5m2", 1, true, true, false},   {"i4", 1, false, true, true},   {"u4", 1, false, false, true},
    {"i8", 1, false, true, true},       {"i16", 2, false, true, true},  {"i32", 4, false, true, true},
    {"i64", 8, false, true, true},      {"u8", 1, false, false, true},  {"u16", 2, false, false, true},
    {"u32", 4, false, false, true},     {"u64", 8, false, false, true}, {"bool", 1, false, false, false},
    {"string", 0, false, false, false},
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

int64_t storage_bytes(DType dtype) { return row(dtype).bytes; }
bool is_float(DType dtype) { return row(dtype).is_float; }
bool is_signed(DType dtype) { return row(dtype).is_signed; }
bool is_integer(DType dtype) { return row(dtype).is_integer; }

}  // namespace mj
