// SPDX-License-Identifier: Apache-2.0
#include "ops/plugin_attributes.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

namespace mj {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

std::string hex_of(std::string_view bytes) {
  std::string out;
  out.reserve(2 * bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<uint8_t>(c);
    out += kHexDigits[byte >> 4];
    out += kHexDigits[byte & 15];
  }
  return out;
}

std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    const size_t high = kHexDigits.find(text[i]), low = kHexDigits.find(text[i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
  }
  return out;
}

// Letters, digits and marks that mean nothing here, in IR text or in JSON.
bool is_plain_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '-' ||
         c == '.' || c == '/';
}

std::string percent_text(std::string_view text) {
  std::string out;
  for (const char c : text) out += is_plain_char(c) ? std::string(1, c) : "%" + hex_of({&c, 1});
  return out;
}

std::optional<std::string> from_percent(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const std::optional<std::string> byte = from_hex(text.substr(std::min(i + 1, text.size()), 2));
    if (!byte || byte->empty()) return std::nullopt;
    out += *byte;
    i += 2;
  }
  return out;
}

template <class T>
std::optional<T> number_of(std::string_view text) {
  T value{};
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

template <class T, class F>
std::string list_text(const std::vector<T>& values, F item) {
  std::string out;
  for (size_t i = 0; i < values.size(); ++i) out += (i ? "," : "") + item(values[i]);
  return out;
}

template <class T, class F>
std::optional<std::vector<T>> list_of(std::string_view text, F item) {
  std::vector<T> out;
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    std::optional<T> value = item(text.substr(0, end));
    if (!value) return std::nullopt;
    out.push_back(std::move(*value));
    if (end == text.size()) break;
    text.remove_prefix(end + 1);
  }
  return out;
}

// Lists of strings begin each item with a mark, so that one empty item is not none.
std::string marked(const std::string& text) { return ":" + percent_text(text); }
std::optional<std::string> unmarked(std::string_view text) {
  return text.starts_with(":") ? from_percent(text.substr(1)) : std::nullopt;
}

std::string tensor_text(const Tensor& tensor) {
  return fmt::format("{}:[{}]:{}", name(tensor.dtype()), fmt::join(tensor.dims(), ","),
                     hex_of({static_cast<const char*>(tensor.raw()), static_cast<size_t>(tensor.bytes())}));
}

std::optional<Tensor> tensor_of(std::string_view text) {
  const size_t first = text.find(":["), second = text.find("]:");
  if (first == std::string_view::npos || second == std::string_view::npos || second < first) return std::nullopt;
  const std::optional<DType> dtype = parse_dtype(text.substr(0, first));
  const auto dims = list_of<int64_t>(text.substr(first + 2, second - first - 2), number_of<int64_t>);
  const std::optional<std::string> bytes = from_hex(text.substr(second + 2));
  if (!dtype || *dtype == DType::none || *dtype == DType::string || !dims || !bytes) return std::nullopt;
  int64_t size = storage_bytes(*dtype);
  for (const int64_t dim : *dims) {
    if (dim < 0 || __builtin_mul_overflow(size, dim, &size)) return std::nullopt;
  }
  if (size != std::ssize(*bytes)) return std::nullopt;
  if (bits(*dtype) < 8 || *dtype == DType::boolean) {
    for (const char c : *bytes) {
      if (!is_element(*dtype, static_cast<uint8_t>(c))) return std::nullopt;
    }
  }
  Tensor tensor = Tensor::zeros(*dtype, *dims);
  if (size > 0) std::memcpy(tensor.mutable_raw(), bytes->data(), bytes->size());
  return tensor;
}

template <class T>
std::optional<FieldValue> field_of(std::optional<T> value) {
  return value ? std::optional<FieldValue>(std::move(*value)) : std::nullopt;
}

std::optional<FieldValue> value_of(std::string_view kind, std::string_view text) {
  if (kind == "f") return field_of(number_of<float>(text));
  if (kind == "i") return field_of(number_of<int64_t>(text));
  if (kind == "s") return field_of(from_percent(text));
  if (kind == "x") return field_of(from_hex(text));
  if (kind == "fs") return field_of(list_of<float>(text, number_of<float>));
  if (kind == "is") return field_of(list_of<int64_t>(text, number_of<int64_t>));
  if (kind == "ss") return field_of(list_of<std::string>(text, unmarked));
  if (kind == "t") return field_of(tensor_of(text));
  return std::nullopt;
}

}  // namespace

std::string attribute_text(std::string_view name, const FieldValue& value) {
  const auto number = [](auto x) { return fmt::format("{}", x); };
  std::string text = percent_text(name) + "=";
  if (const auto* f = std::get_if<float>(&value)) return text + "f:" + number(*f);
  if (const auto* i = std::get_if<int64_t>(&value)) return text + "i:" + number(*i);
  if (const auto* s = std::get_if<std::string>(&value)) {
    const auto plain = std::count_if(s->begin(), s->end(), is_plain_char);
    return text + (2 * plain < std::ssize(*s) ? "x:" + hex_of(*s) : "s:" + percent_text(*s));
  }
  if (const auto* fs = std::get_if<std::vector<float>>(&value)) return text + "fs:" + list_text(*fs, number);
  if (const auto* is = std::get_if<std::vector<int64_t>>(&value)) return text + "is:" + list_text(*is, number);
  if (const auto* ss = std::get_if<std::vector<std::string>>(&value)) return text + "ss:" + list_text(*ss, marked);
  const auto* tensor = std::get_if<Tensor>(&value);
  CHECK(tensor, "an attribute that is no number, string, list or tensor");
  return text + "t:" + tensor_text(*tensor);
}

Result<std::pair<std::string, FieldValue>> parse_attribute(std::string_view text) {
  const size_t equals = text.find('=');
  const size_t colon = equals == std::string_view::npos ? equals : text.find(':', equals);
  if (colon != std::string_view::npos) {
    const std::optional<std::string> name = from_percent(text.substr(0, equals));
    std::optional<FieldValue> value = value_of(text.substr(equals + 1, colon - equals - 1), text.substr(colon + 1));
    if (name && value) return std::pair(*name, std::move(*value));
  }
  return model_error("'{}' is no attribute", text.substr(0, 80));
}

}  // namespace mj
