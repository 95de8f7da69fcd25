// SPDX-License-Identifier: Apache-2.0
// Values for symbols: evaluation to a number, substitution, and which symbols there are.
#include <fmt/format.h>

#include "base/dim_poly.h"

namespace mj {

using namespace dim_detail;

namespace {

// Runs for each axis of each tensor for each new shape, so nothing is allocated unless it fails.
class Evaluation {
 public:
  explicit Evaluation(const Bindings& bindings) : bindings_(bindings) {}

  bool run(const Dim& dim, int64_t& out) {
    if (!dim.valid()) return fail(dim, "overflows or is too complex");
    out = constant_part(dim);
    for (const Term& term : terms(dim)) {
      int64_t product = term.coefficient;
      for (const Factor& factor : term.monomial) {
        int64_t value = 0;
        if (!run(*factor.atom, value)) return false;
        for (int i = 0; i < factor.power; ++i) {
          if (__builtin_mul_overflow(product, value, &product)) return fail(dim, "overflows 64 bits");
        }
      }
      if (__builtin_add_overflow(out, product, &out)) return fail(dim, "overflows 64 bits");
    }
    return true;
  }

  Error error(const Dim& whole) const {
    std::string values;
    for (const std::string& name : whole.symbols()) {
      const auto found = bindings_.find(name);
      if (found == bindings_.end()) continue;
      values += fmt::format("{}{} = {}", values.empty() ? " with " : ", ", name, found->second);
    }
    const std::string text = whole.to_string();
    return model_error("dimension '{}'{}: {}", text, values, text == culprit_ ? reason_ : culprit_ + " " + reason_);
  }

 private:
  bool run(const Atom& atom, int64_t& out) {
    if (atom.kind == AtomKind::symbol) {
      const auto found = bindings_.find(atom.name);
      if (found == bindings_.end()) return fail(atom.name, "has no value");
      out = found->second;
      return out >= 0 || fail(atom.name, "is negative");
    }
    if (!run(atom.args[0], out)) return false;
    for (size_t i = 1; i < atom.args.size(); ++i) {
      const int64_t a = out;
      int64_t b = 0;
      if (!run(atom.args[i], b)) return false;
      if (!compute(atom.kind, a, b, out)) return fail(atom, a, b);
    }
    return true;
  }

  bool fail(const Atom& atom, int64_t a, int64_t b) {
    std::string call = fmt::format("{}(", name(atom.kind));
    for (const Dim& arg : atom.args) call += (&arg == &atom.args[0] ? "" : ", ") + arg.to_string();
    call += ")";
    if (atom.kind == AtomKind::broadcast)
      return fail(call, fmt::format("needs equal lengths or 1, got {} and {}", a, b));
    return fail(call, b == 0 ? fmt::format("divides {} by zero", a) : "overflows 64 bits");
  }
  bool fail(const Dim& dim, std::string_view reason) { return fail(dim.to_string(), reason); }
  bool fail(std::string_view culprit, std::string_view reason) {
    culprit_ = culprit;
    reason_ = reason;
    return false;
  }

  const Bindings& bindings_;
  std::string culprit_, reason_;
};

void collect_symbols(const Dim& dim, std::set<std::string>& names) {
  for (const Term& term : terms(dim)) {
    for (const Factor& factor : term.monomial) {
      if (factor.atom->kind == AtomKind::symbol) names.insert(factor.atom->name);
      for (const Dim& arg : factor.atom->args) collect_symbols(arg, names);
    }
  }
}

}  // namespace

Result<int64_t> Dim::evaluate(const Bindings& bindings) const {
  if (!poly_) return constant_;
  int64_t value = 0;
  Evaluation evaluation(bindings);
  if (!evaluation.run(*this, value)) return evaluation.error(*this);
  return value;
}

Dim Dim::substitute(const std::map<std::string, Dim, std::less<>>& values) const {
  if (!poly_ || !valid()) return *this;
  Dim sum = poly_->constant;
  for (const Term& term : poly_->terms) {
    Dim product = term.coefficient;
    for (const Factor& factor : term.monomial) {
      Dim base;
      if (factor.atom->kind != AtomKind::symbol) {
        std::vector<Dim> args;
        for (const Dim& arg : factor.atom->args) args.push_back(arg.substitute(values));
        base = rebuild(factor.atom->kind, args);
      } else if (const auto found = values.find(factor.atom->name); found != values.end()) {
        base = found->second;
      } else {
        base = make_dim(Term{1, {{factor.atom, 1}}});
      }
      for (int i = 0; i < factor.power; ++i) product *= base;
    }
    sum += product;
  }
  return sum;
}

std::set<std::string> Dim::symbols() const {
  std::set<std::string> names;
  collect_symbols(*this, names);
  return names;
}

}  // namespace mj
