// SPDX-License-Identifier: Apache-2.0
// Dim: an integer known now or later, as a polynomial over symbols (N, S, ...: each >= 0) and opaque atoms
// (floor_div, mod, min, max, broadcast). Immutable, always normalised, cheap to copy; safe to share between threads.
// Simplification takes it that no divisor is 0.
#pragma once

#include <fmt/core.h>

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/result.h"

namespace mj {

namespace dim_detail {
struct Poly;
}

using Bindings = std::map<std::string, int64_t, std::less<>>;

enum class Tri : uint8_t { no, yes, unknown };

class Dim {
 public:
  Dim(int64_t value = 0) : constant_(value) {}
  // Any name that is not empty and at most 256 bytes long; otherwise the result is invalid().
  static Dim symbol(std::string_view name);
  // What arithmetic that overflows, or that grows beyond any sensible size, gives. Every operation on it gives it
  // again.
  static Dim invalid();

  bool valid() const;
  bool is_constant() const { return poly_ == nullptr; }
  std::optional<int64_t> constant() const { return poly_ ? std::nullopt : std::optional(constant_); }
  // The name, when this is just one symbol.
  std::optional<std::string_view> symbol_name() const;

  std::set<std::string> symbols() const;
  // Checked: overflow, division by zero, a failed broadcast, a negative or missing symbol are errors that show the
  // expression and the values.
  Result<int64_t> evaluate(const Bindings& bindings) const;
  // Replaces all symbols named, at once.
  Dim substitute(const std::map<std::string, Dim, std::less<>>& values) const;

  // "2*N*S + floor_div(H + 1, 2) + 3"; equal dims print the same. parse() reads it back to an equal dim, and also
  // accepts subtraction, parentheses and ceil_div; the text may come from a file.
  std::string to_string() const;
  static Result<Dim> parse(std::string_view text);

  uint64_t hash() const;  // the same in every run

  // Structural, which is enough for most purposes as dims are normalised; equal() below tries harder.
  friend bool operator==(const Dim& a, const Dim& b);
  friend std::strong_ordering operator<=>(const Dim& a, const Dim& b);  // a total order without arithmetic meaning

  friend Dim operator+(const Dim& a, const Dim& b);
  friend Dim operator-(const Dim& a, const Dim& b);
  friend Dim operator*(const Dim& a, const Dim& b);
  friend Dim operator-(const Dim& a) { return Dim(0) - a; }
  Dim& operator+=(const Dim& other) { return *this = *this + other; }
  Dim& operator-=(const Dim& other) { return *this = *this - other; }
  Dim& operator*=(const Dim& other) { return *this = *this * other; }

  explicit Dim(std::shared_ptr<const dim_detail::Poly> poly) : poly_(std::move(poly)) {}
  const dim_detail::Poly* poly() const { return poly_.get(); }  // null for constants; of no use outside dim*.cc

 private:
  int64_t constant_ = 0;
  std::shared_ptr<const dim_detail::Poly> poly_;
};

Dim floor_div(const Dim& a, const Dim& b);  // rounds towards minus infinity
Dim ceil_div(const Dim& a, const Dim& b);   // floor_div(a + b - 1, b): for b > 0
Dim mod(const Dim& a, const Dim& b);        // a - b * floor_div(a, b)
Dim min(const Dim& a, const Dim& b);
Dim max(const Dim& a, const Dim& b);
// The common length of two axes: a == 1 ? b : a. Evaluation fails unless they are equal or one is 1. Against a constant
// other than 1 (or a dim known to be at least 2) it is that constant at once: whether the other side fits is then for
// whoever binds the shapes to check. Two constants that do not fit give invalid().
Dim broadcast(const Dim& a, const Dim& b);

// For all values of the symbols. A dim that is not valid is unknown to everything.
Tri equal(const Dim& a, const Dim& b);
Tri less_equal(const Dim& a, const Dim& b);

inline std::string to_string(const Dim& dim) { return dim.to_string(); }

}  // namespace mj

template <>
struct fmt::formatter<mj::Dim> {
  constexpr auto parse(format_parse_context& context) { return context.begin(); }
  template <class Context>
  auto format(const mj::Dim& dim, Context& context) const {
    auto out = context.out();
    for (char c : dim.to_string()) *out++ = c;
    return out;
  }
};
template <>
struct std::hash<mj::Dim> {
  size_t operator()(const mj::Dim& dim) const { return dim.hash(); }
};
