// SPDX-License-Identifier: Apache-2.0
#include "tools/npy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>

#include "base/checked.h"

namespace mj {
namespace {

constexpr int64_t kMostEmptyStrings = 1 << 20;

struct Descr {
  std::string_view text;
  DType dtype;
};
// What NumPy calls our types. The first of a type is what we write.
constexpr Descr kDescrs[] = {
    {"<f4", DType::f32},        {"<f8", DType::f64},    {"<f2", DType::f16},    {"|i1", DType::i8},
    {"<i2", DType::i16},        {"<i4", DType::i32},    {"<i8", DType::i64},    {"|u1", DType::u8},
    {"<u2", DType::u16},        {"<u4", DType::u32},    {"<u8", DType::u64},    {"|b1", DType::boolean},
    {"|V2", DType::bf16},       {"|V1", DType::f8e4m3}, {"|V1", DType::f8e5m2}, {"|V1", DType::i4},
    {"|V1", DType::u4},         {"|V1", DType::i2},     {"|V1", DType::u2},     {"|V1", DType::f8e4m3fnuz},
    {"|V1", DType::f8e5m2fnuz}, {"|V1", DType::f4e2m1}, {"|V1", DType::f8e8m0},
};

std::string descr_of(const Tensor& tensor) {
  if (tensor.dtype() == DType::string) {
    size_t longest = 1;
    for (const std::string& text : tensor.string_data()) longest = std::max(longest, text.size());
    return fmt::format("<U{}", longest);
  }
  for (const Descr& row : kDescrs) {
    if (row.dtype == tensor.dtype()) return std::string(row.text);
  }
  CHECK(false, "no numpy type for {}", name(tensor.dtype()));
}

// The text behind 'key': in the header's dict, up to the comma or brace that ends it.
std::optional<std::string_view> field(std::string_view header, std::string_view key) {
  const size_t at = header.find(fmt::format("'{}':", key));
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view rest = header.substr(at + key.size() + 3);
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  const size_t end = rest.starts_with('(') ? rest.find(')') + 1 : rest.find_first_of(",}");
  return end == std::string_view::npos || end > rest.size() ? std::nullopt : std::optional(rest.substr(0, end));
}

std::optional<std::vector<int64_t>> parse_shape(std::string_view text) {
  if (text.size() < 2 || text.front() != '(' || text.back() != ')') return std::nullopt;
  text = text.substr(1, text.size() - 2);
  std::vector<int64_t> dims;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    std::string_view number = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    while (number.starts_with(' ')) number.remove_prefix(1);
    if (number.empty()) continue;
    const std::optional<int64_t> dim = parse_int64(number);
    if (!dim || *dim < 0) return std::nullopt;
    dims.push_back(*dim);
  }
  return dims;
}

void append_utf8(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | (c >> 6));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | (c >> 12));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | (c >> 18));
    out += static_cast<char>(0x80 | ((c >> 12) & 0x3f));
    out += static_cast<char>(0x80 | ((c >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

std::vector<uint32_t> code_points(const std::string& text) {
  std::vector<uint32_t> out;
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    uint32_t c = length == 1 ? lead : lead & (0xffu >> (length + 1));
    for (size_t k = 1; k < length && i + k < text.size(); ++k)
      c = (c << 6) | (static_cast<unsigned char>(text[i + k]) & 0x3f);
    out.push_back(c);
    i += length;
  }
  return out;
}

// Column-major elements in row-major order.
void from_fortran(std::vector<std::byte>& elements, const std::vector<int64_t>& dims, size_t element_bytes) {
  std::vector<std::byte> out(elements.size());
  std::vector<int64_t> index(dims.size(), 0);
  for (size_t at = 0; at < elements.size(); at += element_bytes) {
    int64_t from = 0, stride = 1;
    for (size_t d = 0; d < dims.size(); ++d) from += index[d] * stride, stride *= dims[d];
    std::memcpy(&out[at], &elements[static_cast<size_t>(from) * element_bytes], element_bytes);
    for (size_t d = dims.size(); d-- > 0 && ++index[d] == dims[d];) index[d] = 0;
  }
  elements = std::move(out);
}

}  // namespace

Result<NumpyArray> parse_npy(std::span<const std::byte> bytes, std::string_view name) {
  auto bad = [&](std::string_view why) { return model_error("array '{}': {}", name, why); };
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  if (bytes.size() < 10 || std::memcmp(text, "\x93NUMPY", 6) != 0) return bad("not a .npy file");
  const auto version = static_cast<unsigned char>(text[6]);
  const size_t length_bytes = version == 1 ? 2 : 4;
  if (version < 1 || version > 3 || bytes.size() < 8 + length_bytes) return bad("unknown .npy version");
  size_t length = 0;
  for (size_t i = 0; i < length_bytes; ++i)
    length |= static_cast<size_t>(static_cast<unsigned char>(text[8 + i])) << (8 * i);
  const size_t start = 8 + length_bytes + length;
  if (start > bytes.size()) return bad("the header is cut off");
  const std::string_view header(text + 8 + length_bytes, length);

  const auto descr = field(header, "descr"), order = field(header, "fortran_order"), shape = field(header, "shape");
  if (!descr || !order || !shape || descr->size() < 4)
    return bad("the header does not name descr, fortran_order and shape");
  const std::optional<std::vector<int64_t>> dims = parse_shape(*shape);
  if (!dims) return bad(fmt::format("shape {} is not a tuple of sizes", *shape));
  if (descr->front() != '\'' && descr->front() != '"') return bad("its elements are records; save plain numbers");
  const std::string_view type = descr->substr(1, descr->size() - 2);
  if (type == "|O") return bad("holds Python objects; save plain numbers or unicode strings");

  int64_t element_bytes = 0;
  NumpyArray array;
  DType dtype = DType::none;
  if (type.starts_with("<U")) {
    const int64_t characters = parse_int64(type.substr(2)).value_or(-1);
    if (characters < 0 || characters > std::numeric_limits<int32_t>::max()) return bad("unknown string type");
    element_bytes = 4 * characters;
    dtype = DType::string;
  } else {
    for (const Descr& row : kDescrs) {
      // "<i1" and "=f4" spell the same as ours on a little-endian machine.
      if (row.text.substr(1) != type.substr(1) || type.front() == '>') continue;
      dtype = row.dtype;
      break;
    }
    if (dtype == DType::none) return bad(fmt::format("type {} has no equal here", type));
    if (type.substr(1) == "V2" || type.substr(1) == "V1") {
      array.raw = true;
      dtype = type.substr(1) == "V2" ? DType::u16 : DType::u8;
    }
    element_bytes = storage_bytes(dtype);
  }
  const Result<int64_t> count = element_count(*dims);
  const std::optional<int64_t> want = count.ok() ? checked_mul(*count, element_bytes) : std::nullopt;
  if (!want || *want != static_cast<int64_t>(bytes.size() - start)) {
    return bad(fmt::format("{} bytes of elements do not fit shape {}", bytes.size() - start, *shape));
  }
  // Empty strings take no bytes, so the file's size does not bound their number.
  if (element_bytes == 0 && *count > kMostEmptyStrings) return bad(fmt::format("{} empty strings", *count));
  std::vector<std::byte> elements(bytes.begin() + static_cast<std::ptrdiff_t>(start), bytes.end());
  if (order->starts_with("True") && dims->size() > 1 && element_bytes) {
    from_fortran(elements, *dims, static_cast<size_t>(element_bytes));
  }
  if (dtype == DType::boolean &&
      std::any_of(elements.begin(), elements.end(), [](std::byte b) { return b > std::byte{1}; })) {
    return bad("a bool is neither 0 nor 1");
  }
  array.tensor = Tensor::zeros(dtype, *dims);
  if (dtype != DType::string) {
    if (*want) std::memcpy(array.tensor.mutable_raw(), elements.data(), static_cast<size_t>(*want));
    return array;
  }
  const auto width = static_cast<size_t>(element_bytes / 4);
  for (size_t i = 0; i < array.tensor.mutable_string_data().size(); ++i) {
    for (size_t k = 0; k < width; ++k) {
      uint32_t c = 0;
      std::memcpy(&c, &elements[(i * width + k) * 4], 4);
      if (c > 0x10ffff) return bad("a string holds no unicode");
      if (c) append_utf8(array.tensor.mutable_string_data()[i], c);
    }
  }
  return array;
}

std::string npy_header(const Tensor& tensor) {
  std::string shape = fmt::format("({}{})", fmt::join(tensor.dims(), ", "), tensor.rank() == 1 ? "," : "");
  std::string dict = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}", descr_of(tensor), shape);
  dict.append(63 - (10 + dict.size()) % 64, ' ');
  dict += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(dict.size() & 0xff);
  header += static_cast<char>(dict.size() >> 8);
  return header + dict;
}

NpyElements npy_elements(const Tensor& tensor) {
  if (tensor.dtype() != DType::string) {
    return {{}, {static_cast<const std::byte*>(tensor.raw()), static_cast<size_t>(tensor.bytes())}};
  }
  const std::string descr = descr_of(tensor);
  const auto width = static_cast<size_t>(parse_int64(descr.substr(2)).value_or(1));
  std::vector<std::byte> out(tensor.string_data().size() * width * 4);
  for (size_t i = 0; i < tensor.string_data().size(); ++i) {
    const std::vector<uint32_t> points = code_points(tensor.string_data()[i]);
    if (!points.empty()) std::memcpy(&out[i * width * 4], points.data(), points.size() * 4);
  }
  const std::span<const std::byte> bytes = out;
  return {std::move(out), bytes};  // which stay where they are
}

}  // namespace mj
