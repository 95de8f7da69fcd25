// SPDX-License-Identifier: Apache-2.0
// Sums, products, order and identity of dims.
#include "base/dim.h"

#include <algorithm>

#include "base/dim_poly.h"
#include "base/hash64.h"

namespace mj {

using namespace dim_detail;

namespace dim_detail {

std::string_view name(AtomKind kind) {
  constexpr std::string_view kNames[] = {"symbol", "floor_div", "mod", "min", "max", "broadcast"};
  return kNames[static_cast<size_t>(kind)];
}

std::strong_ordering compare(const Atom& a, const Atom& b) {
  if (&a == &b) return std::strong_ordering::equal;
  if (auto order = a.kind <=> b.kind; order != 0) return order;
  if (auto order = a.name <=> b.name; order != 0) return order;
  return std::lexicographical_compare_three_way(a.args.begin(), a.args.end(), b.args.begin(), b.args.end());
}

static int degree(std::span<const Factor> monomial) {
  int sum = 0;
  for (const Factor& factor : monomial) sum += factor.power;
  return sum;
}

// Graded lexicographic: a monomial order, so that products of sorted terms and exact division behave.
std::strong_ordering compare(std::span<const Factor> a, std::span<const Factor> b) {
  if (auto order = degree(b) <=> degree(a); order != 0) return order;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (auto order = compare(*a[i].atom, *b[i].atom); order != 0) return order;
    if (auto order = b[i].power <=> a[i].power; order != 0) return order;
  }
  return a.size() <=> b.size();
}

Dim make_dim(std::vector<Term> terms, int64_t constant) {
  if (terms.empty()) return Dim(constant);
  auto poly = std::make_shared<Poly>();
  poly->hash = mix64(terms.size(), static_cast<uint64_t>(constant));
  for (const Term& term : terms) {
    poly->hash = mix64(poly->hash, static_cast<uint64_t>(term.coefficient));
    ++poly->size;
    if (degree(term.monomial) > kMaxDegree) return Dim::invalid();
    for (const Factor& factor : term.monomial) {
      poly->hash = mix64(poly->hash, factor.atom->hash + static_cast<uint64_t>(factor.power));
      poly->size += factor.atom->size;
      poly->depth = std::max(poly->depth, factor.atom->depth);
    }
    if (poly->size > kMaxSize) return Dim::invalid();
  }
  poly->terms = std::move(terms);
  poly->constant = constant;
  return Dim(std::move(poly));
}

Dim make_dim(const Term& term) { return make_dim({term}, 0); }

Dim make_atom(AtomKind kind, std::string name, std::vector<Dim> args) {
  auto atom = std::make_shared<Atom>();
  atom->hash = hash64(name, static_cast<uint64_t>(kind));
  for (const Dim& arg : args) {
    if (!arg.valid()) return Dim::invalid();
    atom->hash = mix64(atom->hash, arg.hash());
    atom->size += arg.poly() ? arg.poly()->size : 1;
    atom->depth = std::max(atom->depth, arg.poly() ? arg.poly()->depth + 1 : 1);
  }
  if (atom->size > kMaxSize || atom->depth > kMaxDepth) return Dim::invalid();
  const Interval bounds = atom_interval(kind, args);
  atom->low = bounds.low;
  atom->high = bounds.high;
  atom->kind = kind;
  atom->name = std::move(name);
  atom->args = std::move(args);
  return make_dim(Term{1, {{std::move(atom), 1}}});
}

const Atom* as_atom(const Term& term) {
  return term.monomial.size() == 1 && term.monomial[0].power == 1 ? term.monomial[0].atom.get() : nullptr;
}

const Atom* as_atom(const Dim& dim) {
  const auto all = terms(dim);
  if (all.size() != 1 || all[0].coefficient != 1 || constant_part(dim) != 0) return nullptr;
  return as_atom(all[0]);
}

std::optional<std::vector<Factor>> divide(std::span<const Factor> a, std::span<const Factor> b) {
  std::vector<Factor> quotient;
  size_t j = 0;
  for (const Factor& factor : a) {
    int power = factor.power;
    if (j < b.size() && compare(*factor.atom, *b[j].atom) == 0) power -= b[j++].power;
    if (power < 0) return std::nullopt;
    if (power > 0) quotient.push_back({factor.atom, power});
  }
  return j == b.size() ? std::optional(std::move(quotient)) : std::nullopt;
}

}  // namespace dim_detail

namespace {

std::vector<Factor> multiply(std::span<const Factor> a, std::span<const Factor> b) {
  std::vector<Factor> product;
  product.reserve(a.size() + b.size());
  size_t i = 0, j = 0;
  while (i < a.size() || j < b.size()) {
    const auto order = i == a.size()   ? std::strong_ordering::greater
                       : j == b.size() ? std::strong_ordering::less
                                       : compare(*a[i].atom, *b[j].atom);
    if (order < 0) {
      product.push_back(a[i++]);
    } else if (order > 0) {
      product.push_back(b[j++]);
    } else {
      product.push_back({a[i].atom, a[i].power + b[j].power});
      ++i, ++j;
    }
  }
  return product;
}

// Sorts, joins like terms, drops zeros.
Dim normalise(std::vector<Term> all, int64_t constant) {
  std::sort(all.begin(), all.end(), [](const Term& a, const Term& b) { return compare(a.monomial, b.monomial) < 0; });
  std::vector<Term> joined;
  for (Term& term : all) {
    if (joined.empty() || compare(joined.back().monomial, term.monomial) != 0) {
      if (!joined.empty() && joined.back().coefficient == 0) joined.pop_back();
      joined.push_back(std::move(term));
    } else if (__builtin_add_overflow(joined.back().coefficient, term.coefficient, &joined.back().coefficient)) {
      return Dim::invalid();
    }
  }
  if (!joined.empty() && joined.back().coefficient == 0) joined.pop_back();
  return make_dim(std::move(joined), constant);
}

Dim add(const Dim& a, const Dim& b, int64_t sign) {
  if (!a.valid() || !b.valid()) return Dim::invalid();
  int64_t constant = 0;
  if (__builtin_mul_overflow(constant_part(b), sign, &constant) ||
      __builtin_add_overflow(constant_part(a), constant, &constant)) {
    return Dim::invalid();
  }
  std::vector<Term> all(terms(a).begin(), terms(a).end());
  for (const Term& term : terms(b)) {
    all.push_back(term);
    if (__builtin_mul_overflow(term.coefficient, sign, &all.back().coefficient)) return Dim::invalid();
  }
  return normalise(std::move(all), constant);
}

}  // namespace

Dim Dim::symbol(std::string_view name) {
  if (name.empty() || name.size() > kMaxName) return invalid();
  return make_atom(AtomKind::symbol, std::string(name), {});
}

Dim Dim::invalid() {
  static const std::shared_ptr<const Poly> poly = [] {
    Poly invalid;
    invalid.invalid = true;
    return std::make_shared<const Poly>(std::move(invalid));
  }();
  return Dim(poly);
}

bool Dim::valid() const { return !poly_ || !poly_->invalid; }

std::optional<std::string_view> Dim::symbol_name() const {
  const Atom* atom = as_atom(*this);
  if (!atom || atom->kind != AtomKind::symbol) return std::nullopt;
  return atom->name;
}

uint64_t Dim::hash() const { return poly_ ? poly_->hash : mix64(1, static_cast<uint64_t>(constant_)); }

bool operator==(const Dim& a, const Dim& b) {
  if (a.poly_ == b.poly_) return a.poly_ || a.constant_ == b.constant_;
  if (!a.poly_ || !b.poly_ || a.poly_->hash != b.poly_->hash) return false;
  return (a <=> b) == 0;
}

std::strong_ordering operator<=>(const Dim& a, const Dim& b) {
  if (a.poly_ == b.poly_ && a.poly_) return std::strong_ordering::equal;
  const auto rank = [](const Dim& dim) { return dim.is_constant() ? 0 : dim.valid() ? 1 : 2; };
  if (auto order = rank(a) <=> rank(b); order != 0) return order;
  const auto left = terms(a), right = terms(b);
  for (size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
    if (auto order = compare(left[i].monomial, right[i].monomial); order != 0) return order;
    if (auto order = left[i].coefficient <=> right[i].coefficient; order != 0) return order;
  }
  if (auto order = left.size() <=> right.size(); order != 0) return order;
  return constant_part(a) <=> constant_part(b);
}

Dim operator+(const Dim& a, const Dim& b) { return add(a, b, 1); }
Dim operator-(const Dim& a, const Dim& b) { return add(a, b, -1); }

Dim operator*(const Dim& a, const Dim& b) {
  if (!a.valid() || !b.valid()) return Dim::invalid();
  if (a.constant() == 0 || b.constant() == 0) return Dim(0);
  const auto left = terms(a), right = terms(b);
  if (left.size() * right.size() > kMaxSize) return Dim::invalid();
  const int64_t p = constant_part(a), q = constant_part(b);
  int64_t constant = 0;
  bool overflow = __builtin_mul_overflow(p, q, &constant);
  std::vector<Term> all;
  const auto push = [&](int64_t x, int64_t y, std::vector<Factor> monomial) {
    int64_t coefficient = 0;
    overflow |= __builtin_mul_overflow(x, y, &coefficient);
    if (coefficient != 0) all.push_back({coefficient, std::move(monomial)});
  };
  for (const Term& term : left) {
    for (const Term& other : right) {
      push(term.coefficient, other.coefficient, multiply(term.monomial, other.monomial));
    }
    push(term.coefficient, q, term.monomial);
  }
  for (const Term& term : right) push(term.coefficient, p, term.monomial);
  return overflow ? Dim::invalid() : normalise(std::move(all), constant);
}

}  // namespace mj
