// SPDX-License-Identifier: Apache-2.0
// The inside of Dim; only for dim*.cc.
#pragma once

#include <span>
#include <vector>

#include "base/dim.h"

namespace mj::dim_detail {

// Dims come from files, so what one may cost is bounded; beyond it a dim is invalid.
inline constexpr int kMaxDegree = 62;  // N^63 overflows for every N but 0 and 1
inline constexpr int kMaxDepth = 64;   // of atoms inside atoms
inline constexpr int kMaxSize = 1024;  // factors and terms, those inside atoms included, written out as a tree
inline constexpr size_t kMaxName = 256;
inline constexpr size_t kMaxText = 64 * 1024;

enum class AtomKind : uint8_t { symbol, floor_div, mod, min, max, broadcast };
std::string_view name(AtomKind kind);

struct Atom {
  AtomKind kind = AtomKind::symbol;
  std::string name;       // of a symbol
  std::vector<Dim> args;  // two for floor_div and mod; two or more, sorted, for the others
  // Bounds of the value, where known.
  std::optional<int64_t> low, high;
  uint64_t hash = 0;
  int size = 1;
  int depth = 0;
};
struct Factor {
  std::shared_ptr<const Atom> atom;
  int power = 1;
};
struct Term {
  int64_t coefficient = 0;       // never 0
  std::vector<Factor> monomial;  // sorted by atom, never empty
};
struct Poly {
  std::vector<Term> terms;  // sorted: higher degree first, then lexicographic; never empty in a valid dim
  int64_t constant = 0;
  uint64_t hash = 0;
  int size = 0;
  int depth = 0;
  bool invalid = false;
};

struct Interval {
  std::optional<int64_t> low, high;
};

std::strong_ordering compare(const Atom& a, const Atom& b);
std::strong_ordering compare(std::span<const Factor> a, std::span<const Factor> b);

inline std::span<const Term> terms(const Dim& dim) {
  return dim.poly() ? std::span<const Term>(dim.poly()->terms) : std::span<const Term>();
}
inline int64_t constant_part(const Dim& dim) { return dim.poly() ? dim.poly()->constant : *dim.constant(); }

// Terms must be normalised.
Dim make_dim(std::vector<Term> terms, int64_t constant);
Dim make_dim(const Term& term);
// `args` must be simplified; this only wraps them.
Dim make_atom(AtomKind kind, std::string name, std::vector<Dim> args);
// The one atom that this dim is, or null.
const Atom* as_atom(const Dim& dim);
const Atom* as_atom(const Term& term);  // ignores the coefficient

// a / b when each power of b is in a.
std::optional<std::vector<Factor>> divide(std::span<const Factor> a, std::span<const Factor> b);

// Rebuilds the value of an atom from other arguments, simplifying.
Dim rebuild(AtomKind kind, std::span<const Dim> args);

Interval interval(const Dim& dim);
// Bounds of an atom by its kind and arguments.
Interval atom_interval(AtomKind kind, std::span<const Dim> args);

// Integer arithmetic as evaluation does it; false on overflow, division by zero, or lengths that do not broadcast.
bool compute(AtomKind kind, int64_t a, int64_t b, int64_t& out);

}  // namespace mj::dim_detail
