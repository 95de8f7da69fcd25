// SPDX-License-Identifier: Apache-2.0
// Dims as text, and back.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/dim_poly.h"

namespace mj {

using namespace dim_detail;

namespace {

constexpr std::string_view kFunctions[] = {"floor_div", "ceil_div", "mod", "min", "max", "broadcast"};

bool starts_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool continues_name(char c) { return starts_name(c) || is_digit(c) || c == '.'; }

// ONNX lets a symbol have any name; those that are no identifier stand in quotes.
std::string in_quotes(std::string_view name) {
  const bool plain = starts_name(name[0]) && std::all_of(name.begin(), name.end(), continues_name) &&
                     std::find(std::begin(kFunctions), std::end(kFunctions), name) == std::end(kFunctions);
  if (plain) return std::string(name);
  std::string text = "\"";
  for (char c : name) {
    if (c == '"' || c == '\\') {
      text += {'\\', c};
    } else if (const auto byte = static_cast<unsigned char>(c); byte < 0x20 || byte == 0x7f) {
      text += fmt::format("\\x{:02x}", byte);
    } else {
      text += c;
    }
  }
  return text + '"';
}

std::string print(const Atom& atom) {
  if (atom.kind == AtomKind::symbol) return in_quotes(atom.name);
  std::string text = fmt::format("{}(", name(atom.kind));
  for (size_t i = 0; i < atom.args.size(); ++i) text += (i ? ", " : "") + atom.args[i].to_string();
  return text + ")";
}

std::string print(const Term& term) {
  std::string text = term.coefficient == 1 ? "" : fmt::format("{}", term.coefficient);
  for (const Factor& factor : term.monomial) {
    if (!text.empty()) text += '*';
    text += print(*factor.atom);
    if (factor.power > 1) text += fmt::format("^{}", factor.power);
  }
  return text;
}

// expression: product (('+'|'-') product)*      product: power ('*' power)*      power: primary ('^' digits)?
// primary: digits | name | "name" | function '(' expression (',' expression)* ')' | '(' expression ')' | '-' power
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Dim> parse() {
    if (text_.size() > kMaxText) return fail(fmt::format("longer than {} bytes", kMaxText));
    MJ_ASSIGN(Dim dim, expression(0));
    if (peek() != '\0' || at_ < text_.size()) return fail("expected an operator or the end");
    return dim;
  }

 private:
  char peek() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool accept(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  Error fail(std::string_view what) const {
    constexpr size_t kShown = 80;
    return model_error("dimension '{}{}': {} at character {}", text_.substr(0, kShown),
                       text_.size() > kShown ? "..." : "", what, at_ + 1);
  }
  // Stops at the first result that is too large, so that hostile text costs little.
  Result<Dim> checked(Dim dim) const {
    if (!dim.valid()) return fail("overflows, is too complex or can never hold, ");
    return dim;
  }

  Result<Dim> expression(int depth) {
    if (depth > 2 * kMaxDepth) return fail("nested too deeply");
    MJ_ASSIGN(Dim sum, product(depth));
    for (;;) {
      const bool plus = accept('+');
      if (!plus && !accept('-')) return sum;
      MJ_ASSIGN(Dim next, product(depth));
      MJ_ASSIGN(sum, checked(plus ? sum + next : sum - next));
    }
  }

  Result<Dim> product(int depth) {
    MJ_ASSIGN(Dim all, power(depth));
    while (accept('*')) {
      MJ_ASSIGN(Dim next, power(depth));
      MJ_ASSIGN(all, checked(all * next));
    }
    return all;
  }

  Result<Dim> power(int depth) {
    if (accept('-')) {
      if (is_digit(peek())) return number("-");
      if (depth > 2 * kMaxDepth) return fail("nested too deeply");
      MJ_ASSIGN(Dim dim, power(depth + 1));
      return checked(-dim);
    }
    MJ_ASSIGN(Dim base, primary(depth));
    if (!accept('^')) return base;
    MJ_ASSIGN(Dim exponent, number(""));
    const int64_t times = *exponent.constant();
    if (times < 1 || times > kMaxDegree) return fail(fmt::format("a power must be 1 to {}", kMaxDegree));
    Dim all = base;
    for (int64_t i = 1; i < times; ++i) {
      MJ_ASSIGN(all, checked(all * base));
    }
    return all;
  }

  Result<Dim> primary(int depth) {
    const char c = peek();
    if (is_digit(c)) return number("");
    if (c == '"') return quoted_symbol();
    if (accept('(')) {
      MJ_ASSIGN(Dim dim, expression(depth + 1));
      if (!accept(')')) return fail("expected ')'");
      return dim;
    }
    if (!starts_name(c)) return fail("expected a number, a name or '('");
    const size_t start = at_;
    while (at_ < text_.size() && continues_name(text_[at_])) ++at_;
    const std::string_view word = text_.substr(start, at_ - start);
    const auto function = std::find(std::begin(kFunctions), std::end(kFunctions), word);
    return function == std::end(kFunctions) ? checked(Dim::symbol(word)) : call(word, depth);
  }

  Result<Dim> call(std::string_view function, int depth) {
    if (!accept('(')) return fail("expected '('");
    MJ_ASSIGN(Dim result, expression(depth + 1));
    const bool two = function == "floor_div" || function == "ceil_div" || function == "mod";
    int count = 1;
    for (; accept(','); ++count) {
      MJ_ASSIGN(Dim next, expression(depth + 1));
      const Dim value = function == "floor_div"  ? floor_div(result, next)
                        : function == "ceil_div" ? ceil_div(result, next)
                        : function == "mod"      ? mod(result, next)
                        : function == "min"      ? min(result, next)
                        : function == "max"      ? max(result, next)
                                                 : broadcast(result, next);
      MJ_ASSIGN(result, checked(value));
    }
    if (!accept(')')) return fail("expected ',' or ')'");
    if (count < 2 || (two && count > 2)) return fail(fmt::format("wrong number of arguments of {}", function));
    return result;
  }

  Result<Dim> number(std::string_view sign) {
    peek();
    const size_t start = at_;
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    const std::string digits = std::string(sign) + std::string(text_.substr(start, at_ - start));
    int64_t value = 0;
    const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (status != std::errc() || end != digits.data() + digits.size()) return fail("expected a 64-bit number");
    return Dim(value);
  }

  Result<Dim> quoted_symbol() {
    std::string name;
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      char c = text_[at_];
      if (c == '\\' && ++at_ < text_.size()) {
        c = text_[at_];
        if (c == 'x') {
          unsigned byte = 0;
          const std::string_view digits = text_.substr(at_ + 1, 2);
          const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
          if (status != std::errc() || digits.size() != 2 || end != digits.data() + 2) return fail("expected \\xNN");
          c = static_cast<char>(byte);
          at_ += 2;
        }
      }
      name += c;
    }
    if (!accept('"')) return fail("expected '\"'");
    return checked(Dim::symbol(name));
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

std::string Dim::to_string() const {
  if (!poly_) return fmt::format("{}", constant_);
  if (!valid()) return "<invalid>";
  std::string text;
  for (const Term& term : poly_->terms) text += (text.empty() ? "" : " + ") + print(term);
  if (poly_->constant != 0) text += fmt::format(" + {}", poly_->constant);
  return text;
}

Result<Dim> Dim::parse(std::string_view text) { return Parser(text).parse(); }

}  // namespace mj
