// SPDX-License-Identifier: Apache-2.0
// What can be said of a dim for all values of its symbols: bounds, equality, order.
#include <algorithm>
#include <numeric>

#include "base/dim_poly.h"

namespace mj {

using namespace dim_detail;

namespace dim_detail {
namespace {

using Bound = std::optional<int64_t>;

Bound add(Bound a, Bound b) {
  int64_t out = 0;
  if (!a || !b || __builtin_add_overflow(*a, *b, &out)) return std::nullopt;
  return out;
}
Bound multiply(Bound a, Bound b) {
  int64_t out = 0;
  if (!a || !b || __builtin_mul_overflow(*a, *b, &out)) return std::nullopt;
  return out;
}

Interval interval(std::span<const Factor> monomial) {
  if (monomial.size() == 1 && monomial[0].power == 1) return {monomial[0].atom->low, monomial[0].atom->high};
  Interval product{1, 1};
  for (const Factor& factor : monomial) {
    if (factor.atom->low.value_or(-1) < 0) return {};
    for (int i = 0; i < factor.power; ++i) {
      product.low = multiply(product.low, factor.atom->low);
      product.high = multiply(product.high, factor.atom->high);
    }
  }
  if (!product.low) product.low = 0;  // it overflowed, and was not negative
  return product;
}

}  // namespace

Interval interval(const Dim& dim) {
  if (!dim.valid()) return {};
  Interval sum{constant_part(dim), constant_part(dim)};
  for (const Term& term : terms(dim)) {
    Interval part = interval(term.monomial);
    if (term.coefficient < 0) std::swap(part.low, part.high);
    sum.low = add(sum.low, multiply(part.low, term.coefficient));
    sum.high = add(sum.high, multiply(part.high, term.coefficient));
  }
  return sum;
}

Interval atom_interval(AtomKind kind, std::span<const Dim> args) {
  if (kind == AtomKind::symbol) return {0, std::nullopt};
  Interval first = interval(args[0]), rest = interval(args[1]);
  Interval out;
  if (kind == AtomKind::floor_div || kind == AtomKind::mod) {
    const int64_t low_divisor = rest.low.value_or(0);
    if (low_divisor < 1) return out;
    const bool positive = first.low.value_or(-1) >= 0;
    if (kind == AtomKind::mod) {
      out = {0, add(rest.high, -1)};
      if (positive && first.high) out.high = std::min(out.high.value_or(*first.high), *first.high);
      return out;
    }
    int64_t value = 0;
    if (first.high &&
        compute(kind, *first.high, *first.high < 0 ? rest.high.value_or(INT64_MAX) : low_divisor, value)) {
      out.high = value;
    }
    if (positive) out.low = 0;
    if (const Bound by = positive ? rest.high : Bound(low_divisor);
        first.low && by && compute(kind, *first.low, *by, value)) {
      out.low = value;
    }
    return out;
  }
  out = first;
  for (const Dim& arg : args.subspan(1)) {
    rest = interval(arg);
    const Bound low_min = out.low && rest.low ? Bound(std::min(*out.low, *rest.low)) : std::nullopt;
    const Bound high_max = out.high && rest.high ? Bound(std::max(*out.high, *rest.high)) : std::nullopt;
    const Bound low_max = out.low && rest.low ? Bound(std::max(*out.low, *rest.low)) : out.low ? out.low : rest.low;
    const Bound high_min = out.high && rest.high ? Bound(std::min(*out.high, *rest.high))
                           : out.high            ? out.high
                                                 : rest.high;
    out.low = kind == AtomKind::max ? low_max : low_min;
    out.high = kind == AtomKind::min ? high_min : high_max;
  }
  return out;
}

}  // namespace dim_detail

namespace {

bool at_least(const Dim& d, int64_t bound, int& budget);

// Whether `d >= bound` follows from what is known of one opaque term of it.
bool at_least_by(const Dim& d, const Term& term, int64_t bound, int& budget) {
  const Atom& atom = *as_atom(term);
  const Dim rest = d - make_dim(term);
  const auto with = [&](const Dim& value) { return rest + Dim(term.coefficient) * value; };
  const bool negative = term.coefficient < 0;
  switch (atom.kind) {
    case AtomKind::symbol:
      return false;
    case AtomKind::floor_div: {
      // (x - c + 1) / c <= floor_div(x, c) <= x / c, and c * d > c * (bound - 1) is enough for integers.
      const int64_t c = atom.args[1].constant().value_or(0);
      int64_t scaled_bound = 0;
      if (c < 1 || __builtin_mul_overflow(c, bound - 1, &scaled_bound) ||
          __builtin_add_overflow(scaled_bound, 1, &scaled_bound)) {
        return false;
      }
      const Dim x = negative ? atom.args[0] : atom.args[0] - Dim(c - 1);
      return at_least(Dim(c) * rest + Dim(term.coefficient) * x, scaled_bound, budget);
    }
    case AtomKind::mod:
      return negative && atom.low && interval(atom.args[0]).low.value_or(-1) >= 0 &&
             at_least(with(atom.args[0]), bound, budget);
    case AtomKind::min:
    case AtomKind::max:
    case AtomKind::broadcast: {
      const auto holds = [&](const Dim& arg) { return at_least(with(arg), bound, budget); };
      const bool any = atom.kind == (negative ? AtomKind::min : AtomKind::max);  // one that proves it is enough
      return any ? std::any_of(atom.args.begin(), atom.args.end(), holds)
                 : std::all_of(atom.args.begin(), atom.args.end(), holds);
    }
  }
  return false;
}

bool at_least(const Dim& d, int64_t bound, int& budget) {
  if (!d.valid() || budget-- <= 0) return false;
  if (interval(d).low.value_or(INT64_MIN) >= bound) return true;
  for (const Term& term : terms(d)) {
    if (as_atom(term) && at_least_by(d, term, bound, budget)) return true;
  }
  return false;
}

bool at_least(const Dim& d, int64_t bound) {
  int budget = 16;  // attempts; the search is a convenience and has to stay cheap
  return at_least(d, bound, budget);
}

// The terms are all multiples of something that the constant is not.
bool never_zero_by_divisibility(const Dim& d) {
  uint64_t divisor = 0;
  const auto magnitude = [](int64_t x) { return x < 0 ? 0 - static_cast<uint64_t>(x) : static_cast<uint64_t>(x); };
  for (const Term& term : terms(d)) divisor = std::gcd(divisor, magnitude(term.coefficient));
  return divisor != 0 && magnitude(constant_part(d)) % divisor != 0;
}

}  // namespace

Tri less_equal(const Dim& a, const Dim& b) {
  if (!a.valid() || !b.valid()) return Tri::unknown;
  if (a == b || at_least(b - a, 0)) return Tri::yes;
  return at_least(a - b, 1) ? Tri::no : Tri::unknown;
}

Tri equal(const Dim& a, const Dim& b) {
  if (!a.valid() || !b.valid()) return Tri::unknown;
  if (a == b) return Tri::yes;
  if (a.is_constant() && b.is_constant()) return Tri::no;
  const Dim difference = a - b;
  if (at_least(difference, 1) || at_least(-difference, 1) || never_zero_by_divisibility(difference)) return Tri::no;
  return at_least(difference, 0) && at_least(-difference, 0) ? Tri::yes : Tri::unknown;
}

}  // namespace mj
