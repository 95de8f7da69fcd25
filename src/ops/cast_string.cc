// SPDX-License-Identifier: Apache-2.0
// cast_string{to}(x): numbers as text, or text read as numbers
//
// Floats are written with 8 significant digits, as ONNX Runtime does, but f64 with as many as tell it from its
// neighbours. What is read must be a number from its first character to its last, spaces around it aside; integers may
// be written as floats, and lose their fraction. Anything else is the user's mistake.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <string>

#include "ops/cast.h"
#include "ops/register.h"

namespace mj {

struct CastString {
  DType to = DType::string;

  static constexpr std::string_view kName = "cast_string";
  static constexpr auto kFields = std::tuple{field(1, "to", &CastString::to)};
  static constexpr bool kStrings = true;

  InferResult infer(const InferContext& context) const {
    MJ_TRY(context.inputs_between(1, 1));
    MJ_TRY(context.ranked(0));
    const DType number = to == DType::string ? context.dtype(0) : to;
    if ((context.dtype(0) == DType::string) == (to == DType::string) || !allows(Types::all, number)) {
      return context.fail(fmt::format("one of {} and {} must be string", name(context.dtype(0)), name(to)));
    }
    return one(to, context.shape(0));
  }
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

namespace {

template <class T>
std::string text_of(T x) {
  if constexpr (std::is_integral_v<T>) {
    return fmt::format("{}", +x);
  } else {
    const auto value = static_cast<std::conditional_t<std::is_same_v<T, double>, double, float>>(x);
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "INF" : "-INF";
    return std::is_same_v<T, double> ? fmt::format("{}", value) : fmt::format("{:.8g}", value);
  }
}

// Of floats infinities and NaN too, in any case.
template <class T>
bool reads(std::string_view text, T& value) {
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  return end == text.data() + text.size() && problem == std::errc();
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\n\r\f\v";
  const size_t first = std::min(text.find_first_not_of(kSpaces), text.size());
  text.remove_prefix(first);
  text = text.substr(0, text.find_last_not_of(kSpaces) + 1);
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);  // from_chars() takes none
  return text;
}

// Whole numbers are read in 64 bits, so that they stay exact, and cast from there.
Result<Tensor> number_in(std::string_view given, DType to) {
  const std::string_view text = trimmed(given);
  int64_t whole = 0;
  uint64_t large = 0;
  double real = 0;
  if (!is_float(to) && reads(text, whole)) return Tensor::scalar(whole);
  if (!is_float(to) && reads(text, large)) return Tensor::scalar(large);
  if (reads(text, real) && (is_float(to) || std::isfinite(real))) return Tensor::scalar(real);
  return model_error("cast_string: \"{}\" is no {}", given.substr(0, 40), name(to));
}

}  // namespace

Result<void> CastString::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const Tensor& x = in[0];
  if (to == DType::string) {
    dispatch(x.dtype(), [&]<class T>() {
      const std::span<const T> values = x.data<T>();
      for (size_t i = 0; i < values.size(); ++i) out[0].mutable_string_data()[i] = text_of(values[i]);
    });
    return {};
  }
  auto* bytes = static_cast<std::byte*>(out[0].mutable_raw());
  const int64_t element = storage_bytes(to);
  for (const std::string& text : x.string_data()) {
    MJ_ASSIGN(const Tensor wide, number_in(text, to));
    Tensor narrow = Tensor::zeros(to, {});
    MJ_TRY((Cast{.to = to}.reference({&wide, 1}, {&narrow, 1})));
    std::memcpy(bytes, narrow.raw(), static_cast<size_t>(element));
    bytes += element;
  }
  return {};
}

MJ_REGISTER_OP(CastString)

}  // namespace mj
