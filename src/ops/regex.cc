// SPDX-License-Identifier: Apache-2.0
#include "ops/regex.h"

#include <algorithm>
#include <cctype>
#include <optional>

namespace mj {
namespace {

using RegexRange = Regex::Range;
using RegexCode = Regex::Code;
using RegexProgram = std::vector<Regex::Instruction>;
constexpr uint32_t kLastRune = 0x10ffff;
constexpr size_t kMaxInstructions = 20000;
constexpr int kMaxGroups = 200;        // nested
constexpr int64_t kMaxRepeats = 1000;  // as in RE2

// The code point at `at`, which moves behind it.
uint32_t next_rune(std::string_view text, size_t& at) {
  const auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<uint8_t>(text[i])); };
  const uint32_t lead = byte(at++);
  const size_t more = lead >= 0xf0 && lead < 0xf5 ? 3 : lead >= 0xe0 && lead < 0xf0 ? 2 : lead >= 0xc2 && lead < 0xe0;
  if (more == 0 || at + more > text.size()) return lead;
  uint32_t rune = lead & (0x3fu >> more);
  for (size_t i = 0; i < more; ++i) {
    if (byte(at + i) >> 6 != 2) return lead;
    rune = rune << 6 | (byte(at + i) & 63);
  }
  at += more;
  return rune;
}

std::vector<RegexRange> all_but(std::vector<RegexRange> ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const RegexRange& a, const RegexRange& b) { return a.first < b.first; });
  std::vector<RegexRange> rest;
  uint32_t from = 0;
  for (const RegexRange& range : ranges) {
    if (range.first > from) rest.push_back({from, range.first - 1});
    from = std::max(from, range.last + 1);
  }
  if (from <= kLastRune) rest.push_back({from, kLastRune});
  return rest;
}

void append(std::vector<RegexRange>& to, const std::vector<RegexRange>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

struct NamedClass {
  std::string_view name;
  std::vector<RegexRange> ranges;
};

const std::vector<NamedClass>& named_classes() {
  static const std::vector<NamedClass> all = {
      {"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}},
      {"alpha", {{'A', 'Z'}, {'a', 'z'}}},
      {"ascii", {{0, 127}}},
      {"blank", {{'\t', '\t'}, {' ', ' '}}},
      {"cntrl", {{0, 31}, {127, 127}}},
      {"digit", {{'0', '9'}}},
      {"graph", {{'!', '~'}}},
      {"lower", {{'a', 'z'}}},
      {"print", {{' ', '~'}}},
      {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
      {"space", {{'\t', '\r'}, {' ', ' '}}},
      {"upper", {{'A', 'Z'}}},
      {"word", {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}},
      {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}},
  };
  return all;
}

const std::vector<RegexRange>* class_named(std::string_view name) {
  for (const NamedClass& named : named_classes()) {
    if (named.name == name) return &named.ranges;
  }
  return nullptr;
}

// Reads the pattern once and appends to the program as it goes; a repeated piece is appended again.
class RegexParser {
 public:
  explicit RegexParser(std::string_view pattern) : pattern_(pattern) {}

  Result<RegexProgram> run() {
    RegexProgram program = alternatives(0);
    if (!error_ && at_ < pattern_.size()) fail("a ) closes nothing");
    if (error_) return *error_;
    program.push_back({.code = RegexCode::match});
    return program;
  }

 private:
  struct Flags {
    bool fold = false, lines = false, dot_all = false;
  };

  void fail(std::string_view why) {
    if (!error_) error_ = model_error("pattern '{}': {} at place {}", pattern_, why, at_);
  }
  bool more() const { return !error_ && at_ < pattern_.size(); }
  bool take(std::string_view text) {
    if (error_ || !pattern_.substr(at_).starts_with(text)) return false;
    at_ += text.size();
    return true;
  }

  // Targets of a piece count from its start; here they move with it.
  void join(RegexProgram& to, const RegexProgram& piece) {
    const size_t base = to.size();
    if (base + piece.size() > kMaxInstructions) return fail("it is too large");
    for (Regex::Instruction one : piece) {
      one.next += base;
      one.other += base;
      to.push_back(std::move(one));
    }
  }

  RegexProgram alternatives(int depth) {
    if (depth > kMaxGroups) fail("groups nest too deeply");
    const Flags outside = flags_;
    RegexProgram program = sequence(depth);
    while (take("|")) {
      const RegexProgram second = sequence(depth);
      RegexProgram both{{.code = RegexCode::split, .next = 1, .other = program.size() + 2}};
      join(both, program);
      both.push_back({.code = RegexCode::jump, .next = both.size() + 1 + second.size()});
      join(both, second);
      program = std::move(both);
    }
    flags_ = outside;
    return program;
  }

  RegexProgram sequence(int depth) {
    RegexProgram program;
    while (more() && pattern_[at_] != '|' && pattern_[at_] != ')') {
      RegexProgram piece = atom(depth);
      while (more() && repeated(piece)) {
      }
      join(program, piece);
    }
    return program;
  }

  bool repeated(RegexProgram& piece) {
    int64_t least = 0, most = -1;  // -1: any number
    if (take("*")) {
    } else if (take("+")) {
      least = 1;
    } else if (take("?")) {
      most = 1;
    } else if (!counted(least, most)) {
      return false;
    }
    (void)take("?");  // a lazy one matches the same texts
    RegexProgram all;
    for (int64_t i = 0; i < least && !error_; ++i) join(all, piece);
    if (most < 0) {
      const size_t start = all.size();
      all.push_back({.code = RegexCode::split, .next = start + 1, .other = start + piece.size() + 2});
      join(all, piece);
      all.push_back({.code = RegexCode::jump, .next = start});
    }
    for (int64_t i = least; i < most && !error_; ++i) {
      const size_t start = all.size();
      all.push_back({.code = RegexCode::split, .next = start + 1, .other = start + 1 + piece.size()});
      join(all, piece);
    }
    piece = std::move(all);
    return true;
  }

  // {n}, {n,} or {n,m}; anything else in braces is text.
  bool counted(int64_t& least, int64_t& most) {
    const size_t start = at_;
    const auto number = [&]() -> int64_t {
      int64_t value = -1;
      for (; more() && pattern_[at_] >= '0' && pattern_[at_] <= '9'; ++at_) {
        value = std::min<int64_t>(std::max<int64_t>(value, 0) * 10 + (pattern_[at_] - '0'), kMaxRepeats + 1);
      }
      return value;
    };
    if (!take("{")) return false;
    least = number();
    most = least;
    if (least >= 0 && take(",")) most = number();
    if (least < 0 || !take("}")) {
      at_ = start;
      return false;
    }
    if (least > kMaxRepeats || most > kMaxRepeats || (most >= 0 && most < least)) fail("a count is out of range");
    return true;
  }

  RegexProgram one(std::vector<RegexRange> ranges) const {
    if (flags_.fold) {
      const size_t given = ranges.size();
      for (size_t i = 0; i < given; ++i) {
        for (uint32_t low : {uint32_t{'A'}, uint32_t{'a'}}) {
          const uint32_t first = std::max(ranges[i].first, low), last = std::min(ranges[i].last, low + 25);
          if (first <= last) ranges.push_back({first ^ 32u, last ^ 32u});
        }
      }
    }
    return {{.code = RegexCode::among, .ranges = std::move(ranges)}};
  }

  RegexProgram atom(int depth) {
    if (take("(")) return group(depth);
    if (take("[")) return one(bracket());
    if (take(".")) return one(flags_.dot_all ? std::vector<RegexRange>{{0, kLastRune}} : all_but({{'\n', '\n'}}));
    if (take("^")) return {{.code = flags_.lines ? RegexCode::line_start : RegexCode::text_start}};
    if (take("$")) return {{.code = flags_.lines ? RegexCode::line_end : RegexCode::text_end}};
    if (pattern_[at_] == '*' || pattern_[at_] == '+' || pattern_[at_] == '?') fail("there is nothing to repeat");
    if (take("\\b")) return {{.code = RegexCode::word}};
    if (take("\\B")) return {{.code = RegexCode::no_word}};
    if (take("\\A")) return {{.code = RegexCode::text_start}};
    if (take("\\z")) return {{.code = RegexCode::text_end}};
    if (take("\\Q")) {
      RegexProgram text;
      while (more() && !take("\\E")) join(text, one({rune()}));
      return text;
    }
    if (pattern_[at_] == '\\') return one(escaped());
    return one({rune()});
  }

  RegexRange rune() {
    const uint32_t value = next_rune(pattern_, at_);
    return {value, value};
  }

  RegexProgram group(int depth) {
    const Flags outside = flags_;
    if (take("?P<") || take("?<")) {
      while (more() && pattern_[at_] != '>') ++at_;
      if (!take(">")) fail("a group's name does not end");
    } else if (take("?")) {
      for (bool on = true; more() && pattern_[at_] != ':' && pattern_[at_] != ')'; ++at_) {
        switch (pattern_[at_]) {
          case '-':
            on = false;
            break;
          case 'i':
            flags_.fold = on;
            break;
          case 'm':
            flags_.lines = on;
            break;
          case 's':
            flags_.dot_all = on;
            break;
          case 'U':
            break;  // lazy and greedy match the same texts
          default:
            fail("an unknown flag");
            break;
        }
      }
      if (take(")")) return {};  // for what follows in this group
      if (!take(":")) fail("a group's flags do not end");
    }
    RegexProgram inside = alternatives(depth + 1);
    if (!take(")")) fail("a group does not end");
    flags_ = outside;
    return inside;
  }

  std::vector<RegexRange> bracket() {
    const bool negated = take("^");
    std::vector<RegexRange> all;
    for (bool first = true; more() && (first || pattern_[at_] != ']'); first = false) {
      if (take("[:")) {
        const bool other = take("^");
        const size_t end = pattern_.find(":]", at_);
        const auto* named = end == std::string_view::npos ? nullptr : class_named(pattern_.substr(at_, end - at_));
        if (named == nullptr) {
          fail("an unknown class");
          break;
        }
        append(all, other ? all_but(*named) : *named);
        at_ = end + 2;
        continue;
      }
      std::vector<RegexRange> low = pattern_[at_] == '\\' ? escaped() : std::vector<RegexRange>{rune()};
      const bool single = low.size() == 1 && low[0].first == low[0].last;
      if (single && at_ + 1 < pattern_.size() && pattern_[at_] == '-' && pattern_[at_ + 1] != ']') {
        ++at_;
        const std::vector<RegexRange> high = pattern_[at_] == '\\' ? escaped() : std::vector<RegexRange>{rune()};
        if (error_ || high.size() != 1 || high[0].first != high[0].last || high[0].first < low[0].first) {
          fail("a range that is none");
          break;
        }
        low[0].last = high[0].first;
      }
      append(all, low);
    }
    if (!take("]")) fail("a class does not end");
    return negated ? all_but(std::move(all)) : all;
  }

  // What stands for one character, at a backslash.
  std::vector<RegexRange> escaped() {
    ++at_;
    if (!more()) {
      fail("it ends in a backslash");
      return {};
    }
    const char c = pattern_[at_];
    constexpr std::string_view kClasses = "dswDSW", kNames = "afnrtv", kValues = "\a\f\n\r\t\v";
    if (const size_t at = kClasses.find(c); at != std::string_view::npos) {
      ++at_;
      constexpr std::string_view kOf[] = {"digit", "space", "word"};
      std::vector<RegexRange> ranges = *class_named(kOf[at % 3]);
      if (at % 3 == 1) ranges = {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}};  // without \v
      return at < 3 ? ranges : all_but(std::move(ranges));
    }
    if (const size_t at = kNames.find(c); at != std::string_view::npos) {
      ++at_;
      const auto value = static_cast<uint32_t>(kValues[at]);
      return {{value, value}};
    }
    if (c == 'x') {
      ++at_;
      const bool braces = take("{");
      uint32_t value = 0;
      size_t digits = 0;
      for (; more() && digits < (braces ? 6 : 2); ++digits, ++at_) {
        const size_t digit = std::string_view("0123456789abcdef").find(static_cast<char>(pattern_[at_] | 32));
        if (digit == std::string_view::npos || (pattern_[at_] < '0')) break;
        value = value * 16 + static_cast<uint32_t>(digit);
      }
      if (digits == 0 || (braces && !take("}")) || value > kLastRune) fail("a code that is none");
      return {{value, value}};
    }
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter) fail("an escape that is not supported");
    return {rune()};
  }

  std::string_view pattern_;
  size_t at_ = 0;
  Flags flags_;
  std::optional<Error> error_;
};

bool is_word(uint32_t rune) { return rune < 128 && (std::isalnum(static_cast<int>(rune)) != 0 || rune == '_'); }

}  // namespace

Result<Regex> Regex::parse(std::string_view pattern) {
  Regex regex;
  MJ_ASSIGN(regex.program_, RegexParser(pattern).run());
  return regex;
}

// All places of the program that the text so far leads to, side by side.
bool Regex::matches(std::string_view text) const {
  constexpr uint32_t kNone = kLastRune + 1;  // before the first and after the last
  std::vector<size_t> here, next, stack;
  std::vector<bool> seen(program_.size());
  uint32_t before = kNone;
  bool matched = false;
  next.push_back(0);
  for (size_t at = 0;;) {
    const bool end = at == text.size();
    const uint32_t rune = end ? kNone : next_rune(text, at);
    const bool boundary = is_word(before) != is_word(rune);
    here.clear();
    matched = false;
    std::fill(seen.begin(), seen.end(), false);
    stack.assign(next.rbegin(), next.rend());
    while (!stack.empty()) {
      const size_t place = stack.back();
      stack.pop_back();
      if (seen[place]) continue;
      seen[place] = true;
      const Instruction& now = program_[place];
      bool passes = false;
      switch (now.code) {
        case Code::among:
          here.push_back(place);
          break;
        case Code::match:
          matched = true;
          break;
        case Code::split:
          stack.push_back(now.other);
          stack.push_back(now.next);
          break;
        case Code::jump:
          stack.push_back(now.next);
          break;
        case Code::line_start:
          passes = before == kNone || before == '\n';
          break;
        case Code::line_end:
          passes = end || rune == '\n';
          break;
        case Code::text_start:
          passes = before == kNone;
          break;
        case Code::text_end:
          passes = end;
          break;
        case Code::word:
          passes = boundary;
          break;
        case Code::no_word:
          passes = !boundary;
          break;
      }
      if (passes) stack.push_back(place + 1);
    }
    if (end) return matched;
    next.clear();
    for (size_t place : here) {
      const std::vector<Range>& ranges = program_[place].ranges;
      const bool among = std::any_of(ranges.begin(), ranges.end(),
                                     [&](const Range& range) { return range.first <= rune && rune <= range.last; });
      if (among) next.push_back(place + 1);
    }
    if (next.empty()) return false;
    before = rune;
  }
}

}  // namespace mj
