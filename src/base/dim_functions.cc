// SPDX-License-Identifier: Apache-2.0
// floor_div, mod, min, max and broadcast, with what can be simplified before the symbols are known.
#include <algorithm>
#include <numeric>

#include "base/dim_poly.h"

namespace mj {

using namespace dim_detail;

namespace dim_detail {

bool compute(AtomKind kind, int64_t a, int64_t b, int64_t& out) {
  switch (kind) {
    case AtomKind::floor_div:
    case AtomKind::mod: {
      if (b == 0 || (a == INT64_MIN && b == -1)) return false;
      const bool round_down = a % b != 0 && (a < 0) != (b < 0);
      out = kind == AtomKind::floor_div ? a / b - (round_down ? 1 : 0) : a % b + (round_down ? b : 0);
      return true;
    }
    case AtomKind::min:
      out = std::min(a, b);
      return true;
    case AtomKind::max:
      out = std::max(a, b);
      return true;
    case AtomKind::broadcast:
      out = a == 1 ? b : a;
      return a == b || a == 1 || b == 1;
    case AtomKind::symbol:
      break;
  }
  return false;
}

Dim rebuild(AtomKind kind, std::span<const Dim> args) {
  Dim result = args[0];
  for (const Dim& arg : args.subspan(1)) {
    switch (kind) {
      case AtomKind::floor_div:
        result = floor_div(result, arg);
        break;
      case AtomKind::mod:
        result = mod(result, arg);
        break;
      case AtomKind::min:
        result = min(result, arg);
        break;
      case AtomKind::max:
        result = max(result, arg);
        break;
      case AtomKind::broadcast:
        result = broadcast(result, arg);
        break;
      case AtomKind::symbol:
        break;
    }
  }
  return result;
}

}  // namespace dim_detail

namespace {

int64_t floor_div(int64_t a, int64_t b) {
  int64_t out = 0;
  return compute(AtomKind::floor_div, a, b, out) ? out : 0;
}
int64_t mod(int64_t a, int64_t b) { return a - floor_div(a, b) * b; }

uint64_t magnitude(int64_t x) { return x < 0 ? 0 - static_cast<uint64_t>(x) : static_cast<uint64_t>(x); }

// a = quotient * b + remainder.
struct Split {
  Dim quotient, remainder;
};

// All coefficients of the remainder in [0, b).
Split split(const Dim& a, int64_t b) {
  std::vector<Term> quotient, remainder;
  for (const Term& term : terms(a)) {
    if (int64_t q = floor_div(term.coefficient, b)) quotient.push_back({q, term.monomial});
    if (int64_t r = mod(term.coefficient, b)) remainder.push_back({r, term.monomial});
  }
  const int64_t constant = constant_part(a);
  return {make_dim(std::move(quotient), floor_div(constant, b)), make_dim(std::move(remainder), mod(constant, b))};
}

std::optional<Term> divide(const Term& a, const Term& b) {
  if (b.coefficient == -1 ? a.coefficient == INT64_MIN : a.coefficient % b.coefficient != 0) return std::nullopt;
  auto monomial = divide(a.monomial, b.monomial);
  if (!monomial) return std::nullopt;
  return Term{a.coefficient / b.coefficient, std::move(*monomial)};
}

Dim to_dim(const Term& term) { return term.monomial.empty() ? Dim(term.coefficient) : make_dim(term); }

// By one term: the terms of `a` that it divides. By several: all of `a` or nothing.
Split split(const Dim& a, const Dim& b) {
  Dim quotient = 0, remainder = a;
  const bool exact = terms(b).size() > 1 || constant_part(b) != 0;
  if (!exact) {
    for (const Term& term : terms(a)) {
      if (auto part = divide(term, terms(b)[0])) quotient += to_dim(*part), remainder -= make_dim(term);
    }
    return {quotient, remainder};
  }
  for (int step = 0; step < kMaxSize && remainder.valid() && !terms(remainder).empty(); ++step) {
    const auto part = divide(terms(remainder)[0], terms(b)[0]);
    if (!part) return {0, a};
    quotient += to_dim(*part);
    remainder -= to_dim(*part) * b;
  }
  return remainder == Dim(0) ? Split{quotient, 0} : Split{0, a};
}

// The greatest common divisor of the coefficients of all terms.
int64_t common_coefficient(const Dim& a, uint64_t divisor) {
  for (const Term& term : terms(a)) divisor = std::gcd(divisor, magnitude(term.coefficient));
  return static_cast<int64_t>(divisor);
}

Dim scaled_down(const Dim& a, int64_t divisor) {
  std::vector<Term> all(terms(a).begin(), terms(a).end());
  for (Term& term : all) term.coefficient /= divisor;
  return make_dim(std::move(all), floor_div(constant_part(a), divisor));
}

// (g*x) / (g*y) = x / y, for the numbers and the symbols that all terms of both have in common.
void cancel_common_factors(Dim& a, Dim& b) {
  const uint64_t constants = std::gcd(magnitude(constant_part(a)), magnitude(constant_part(b)));
  if (constants > INT64_MAX) return;
  const int64_t g = common_coefficient(a, static_cast<uint64_t>(common_coefficient(b, constants)));
  if (g > 1) a = scaled_down(a, g), b = scaled_down(b, g);
  const std::vector<Factor> candidates = terms(a)[0].monomial;
  for (const Factor& factor : candidates) {
    if (constant_part(a) != 0 || constant_part(b) != 0) return;
    int power = factor.power;
    for (const Dim& side : {a, b}) {
      for (const Term& term : terms(side)) {
        int found = 0;
        for (const Factor& other : term.monomial) {
          if (compare(*other.atom, *factor.atom) == 0) found = other.power;
        }
        power = std::min(power, found);
      }
    }
    if (power == 0) continue;
    const Dim common = make_dim(Term{1, {{factor.atom, power}}});
    a = split(a, common).quotient;
    b = split(b, common).quotient;
  }
}

// ((x / m) + rest) / c = (x + m * rest) / (m * c), for constants m, c > 0. Nothing when no term has that form.
std::optional<Dim> flatten_floor_div(const Dim& a, int64_t c) {
  for (const Term& term : terms(a)) {
    const Atom* inner = as_atom(term);
    if (!inner || inner->kind != AtomKind::floor_div || term.coefficient != 1) continue;
    const int64_t m = inner->args[1].constant().value_or(0);
    int64_t divisor = 0;
    if (m <= 0 || __builtin_mul_overflow(m, c, &divisor)) continue;
    if (Dim x = inner->args[0] + Dim(m) * (a - make_dim(term)); x.valid()) return mj::floor_div(x, divisor);
  }
  return std::nullopt;
}

Dim floor_div_by_constant(const Dim& a, int64_t c) {
  if (!terms(a).empty() && terms(a)[0].coefficient < 0) {  // one of the two spellings of rounding up
    if (Dim flipped = Dim(c - 1) - a; flipped.valid()) return -mj::floor_div(flipped, c);
  }
  auto [quotient, rest] = split(a, c);
  if (!quotient.valid() || !rest.valid()) return Dim::invalid();
  if (const int64_t g = common_coefficient(rest, static_cast<uint64_t>(c)); g > 1) {
    rest = scaled_down(rest, g);
    c /= g;
  }
  const Interval range = interval(rest);
  if (range.low && range.high && floor_div(*range.low, c) == floor_div(*range.high, c)) {
    return quotient + Dim(floor_div(*range.low, c));
  }
  if (auto flat = flatten_floor_div(rest, c)) return quotient + *flat;
  return quotient + make_atom(AtomKind::floor_div, "", {rest, c});
}

// k * mod(x, m) is k * x for a divisor of k * m.
Dim drop_inner_mods(Dim a, int64_t c) {
  const Dim before = a;
  for (const Term& term : terms(before)) {
    const Atom* inner = as_atom(term);
    if (!inner || inner->kind != AtomKind::mod) continue;
    const int64_t m = inner->args[1].constant().value_or(0);
    int64_t product = 0;
    if (m <= 0 || __builtin_mul_overflow(m, term.coefficient, &product) || product % c != 0) continue;
    const Dim replaced = a - make_dim(term) + Dim(term.coefficient) * inner->args[0];
    if (replaced.valid()) a = replaced;
  }
  return a;
}

Dim mod_by_constant(const Dim& a, int64_t c) {
  Dim rest = split(a, c).remainder;
  for (Dim before = rest; (rest = split(drop_inner_mods(rest, c), c).remainder) != before;) before = rest;
  if (!rest.valid()) return rest;
  const int64_t g = common_coefficient(rest, static_cast<uint64_t>(c));
  const int64_t offset = constant_part(rest) % g;  // mod(g*x + k, g*c) = g*mod(x + k/g, c) + k%g
  rest = scaled_down(rest, g);
  const Interval range = interval(rest);
  const bool small = range.low && range.high && *range.low >= 0 && *range.high < c / g;
  return Dim(g) * (small ? rest : make_atom(AtomKind::mod, "", {rest, c / g})) + Dim(offset);
}

// min, max and broadcast are associative, commutative and idempotent: one sorted atom with all the leaves.
std::vector<Dim> leaves(AtomKind kind, const Dim& a, const Dim& b) {
  std::vector<Dim> all;
  for (const Dim& side : {a, b}) {
    const Atom* atom = as_atom(side);
    if (atom && atom->kind == kind) {
      all.insert(all.end(), atom->args.begin(), atom->args.end());
    } else {
      all.push_back(side);
    }
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

Dim extreme(AtomKind kind, const Dim& a, const Dim& b) {
  if (!a.valid() || !b.valid()) return Dim::invalid();
  std::vector<Dim> all = leaves(kind, a, b);
  // x goes when some other leaf is always at least as extreme.
  for (size_t i = 0; i < all.size() && all.size() > 1;) {
    const bool beaten = std::any_of(all.begin(), all.end(), [&](const Dim& other) {
      return &other != &all[i] &&
             (kind == AtomKind::min ? less_equal(other, all[i]) : less_equal(all[i], other)) == Tri::yes;
    });
    if (beaten) {
      all.erase(all.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
  return all.size() == 1 ? all[0] : make_atom(kind, "", std::move(all));
}

}  // namespace

Dim floor_div(const Dim& a, const Dim& b) {
  if (!a.valid() || !b.valid()) return Dim::invalid();
  const std::optional<int64_t> divisor = b.constant();
  if (divisor == 0) return make_atom(AtomKind::floor_div, "", {a, b});  // an error when it is evaluated
  if (a.constant() && divisor) {
    int64_t out = 0;
    return compute(AtomKind::floor_div, *a.constant(), *divisor, out) ? Dim(out) : Dim::invalid();
  }
  if (a == Dim(0)) return 0;
  if (divisor == 1) return a;
  if (divisor) return *divisor < 0 ? floor_div(-a, -b) : floor_div_by_constant(a, *divisor);
  auto [quotient, rest] = split(a, b);
  if (rest == Dim(0)) return quotient;
  Dim over = b;
  if (!rest.is_constant()) cancel_common_factors(rest, over);
  if (!quotient.valid() || !rest.valid() || !over.valid()) return Dim::invalid();
  if (over.is_constant()) return quotient + floor_div(rest, over);
  return quotient + make_atom(AtomKind::floor_div, "", {rest, over});
}

Dim ceil_div(const Dim& a, const Dim& b) { return floor_div(a + b - Dim(1), b); }

Dim mod(const Dim& a, const Dim& b) {
  if (!a.valid() || !b.valid()) return Dim::invalid();
  const std::optional<int64_t> divisor = b.constant();
  if (divisor && *divisor <= 0 && !(a.constant() && *divisor < 0)) return make_atom(AtomKind::mod, "", {a, b});
  if (a.constant() && divisor) {
    int64_t out = 0;
    return compute(AtomKind::mod, *a.constant(), *divisor, out) ? Dim(out) : Dim::invalid();
  }
  if (divisor) return mod_by_constant(a, *divisor);
  const Dim rest = split(a, b).remainder;
  return rest == Dim(0) ? rest : make_atom(AtomKind::mod, "", {rest, b});
}

Dim min(const Dim& a, const Dim& b) { return extreme(AtomKind::min, a, b); }
Dim max(const Dim& a, const Dim& b) { return extreme(AtomKind::max, a, b); }

Dim broadcast(const Dim& a, const Dim& b) {
  if (!a.valid() || !b.valid()) return Dim::invalid();
  std::vector<Dim> all = leaves(AtomKind::broadcast, a, b);
  std::erase(all, Dim(1));
  if (all.empty()) return 1;
  // x against min(x, c) with c >= 2: wherever the two fit, the result is x.
  std::erase_if(all, [&](const Dim& leaf) {
    const Atom* atom = as_atom(leaf);
    if (!atom || atom->kind != AtomKind::min || atom->args.size() != 2 || atom->args[0].constant().value_or(0) < 2)
      return false;
    return std::find(all.begin(), all.end(), atom->args[1]) != all.end();
  });
  if (all.size() > 1 && all[0].is_constant() && all[1].is_constant()) return Dim::invalid();  // constants sort first
  for (const Dim& leaf : all) {
    if (leaf.is_constant() || interval(leaf).low.value_or(0) >= 2) return leaf;
  }
  return all.size() == 1 ? all[0] : make_atom(AtomKind::broadcast, "", std::move(all));
}

}  // namespace mj
