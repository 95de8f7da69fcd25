// SPDX-License-Identifier: Apache-2.0
#include "ops/field.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>

namespace mj {
namespace {

bool same_float(float a, float b) { return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b); }

std::string float_text(float x) {
  std::string text = fmt::format("{}", x);
  // 1.0f would print as "1", which parses as an integer.
  return text.find_first_of(".en") == std::string::npos ? text + ".0" : text;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace

bool same_field(const FieldValue& a, const FieldValue& b) {
  if (a.index() != b.index()) return false;
  if (const float* x = std::get_if<float>(&a)) return same_float(*x, std::get<float>(b));
  if (const auto* x = std::get_if<std::vector<float>>(&a)) {
    const auto& y = std::get<std::vector<float>>(b);
    if (x->size() != y.size()) return false;
    for (size_t i = 0; i < y.size(); ++i) {
      if (!same_float((*x)[i], y[i])) return false;
    }
    return true;
  }
  if (const Tensor* x = std::get_if<Tensor>(&a)) return identical(*x, std::get<Tensor>(b));
  if (const auto* x = std::get_if<int64_t>(&a)) return *x == std::get<int64_t>(b);
  if (const auto* x = std::get_if<bool>(&a)) return *x == std::get<bool>(b);
  if (const auto* x = std::get_if<std::string>(&a)) return *x == std::get<std::string>(b);
  if (const auto* x = std::get_if<DType>(&a)) return *x == std::get<DType>(b);
  if (const auto* x = std::get_if<std::vector<int64_t>>(&a)) return *x == std::get<std::vector<int64_t>>(b);
  return std::get<std::vector<std::string>>(a) == std::get<std::vector<std::string>>(b);
}

std::string to_string(const FieldValue& value) {
  struct Printer {
    std::string operator()(int64_t x) const { return fmt::format("{}", x); }
    std::string operator()(float x) const { return float_text(x); }
    std::string operator()(bool x) const { return x ? "true" : "false"; }
    std::string operator()(const std::string& x) const { return quoted(x); }
    std::string operator()(DType x) const { return std::string(name(x)); }
    std::string operator()(const std::vector<int64_t>& x) const { return fmt::format("[{}]", fmt::join(x, ", ")); }
    std::string operator()(const std::vector<float>& x) const {
      std::string out;
      for (float item : x) out += (out.empty() ? "" : ", ") + float_text(item);
      return "[" + out + "]";
    }
    std::string operator()(const std::vector<std::string>& x) const {
      std::string out;
      for (const std::string& item : x) out += (out.empty() ? "" : ", ") + quoted(item);
      return "[" + out + "]";
    }
    std::string operator()(const Tensor& x) const { return mj::to_string(x, x.size()); }
  };
  return std::visit(Printer{}, value);
}

}  // namespace mj
