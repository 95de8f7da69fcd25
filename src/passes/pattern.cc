// SPDX-License-Identifier: Apache-2.0
#include "passes/pattern.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/function_ref.h"

namespace mj {

struct Pattern::Data {
  enum class Kind : uint8_t { any, constant, scalar, node, either };
  Kind kind = Kind::any;
  std::string name = {};                           // of the capture; empty: none
  std::string op = {};                             // of a node
  std::optional<double> value = {};                // of a scalar
  std::optional<std::vector<Pattern>> parts = {};  // inputs of a node, alternatives of either
  bool once = false;
  std::function<std::string(const Match&, ValueId)> condition = {};
};

namespace {

using Data = Pattern::Data;
using Kind = Data::Kind;

bool commutes(std::string_view op) {
  constexpr std::array<std::string_view, 8> kOps{"add", "mul", "min", "max", "and", "or", "xor", "equal"};
  return std::find(kOps.begin(), kOps.end(), op) != kOps.end();
}

Pattern make(Data data) { return Pattern(std::make_shared<const Data>(std::move(data))); }

}  // namespace

Pattern Pattern::as(std::string name) const {
  Data data = *data_;
  data.name = std::move(name);
  return make(std::move(data));
}

Pattern Pattern::once() const {
  Data data = *data_;
  data.once = true;
  return make(std::move(data));
}

Pattern Pattern::where(std::function<std::string(const Match&, ValueId)> condition) const {
  Data data = *data_;
  data.condition = std::move(condition);
  return make(std::move(data));
}

Pattern any(std::string name) { return make({.name = std::move(name)}); }
Pattern constant(std::string name) { return make({.kind = Kind::constant, .name = std::move(name)}); }
Pattern scalar(std::string name) { return make({.kind = Kind::scalar, .name = std::move(name)}); }
Pattern scalar(double value) { return make({.kind = Kind::scalar, .value = value}); }
Pattern node(std::string op) { return make({.kind = Kind::node, .op = std::move(op)}); }
Pattern node(std::string op, std::vector<Pattern> inputs) {
  return make({.kind = Kind::node, .op = std::move(op), .parts = std::move(inputs)});
}
Pattern either(std::vector<Pattern> alternatives) {
  return make({.kind = Kind::either, .parts = std::move(alternatives)});
}

ValueId Match::operator[](std::string_view name) const {
  for (const auto& [captured, id] : captures_) {
    if (captured == name) return id;
  }
  CHECK(false, "the pattern captures nothing as '{}'", name);
}

bool Match::has(std::string_view name) const {
  return std::any_of(captures_.begin(), captures_.end(), [&](const auto& c) { return c.first == name; });
}

// Backtracks by continuations: `then` is the rest of the match, and a branch whose rest fails is undone.
class Matcher {
 public:
  using Then = FunctionRef<bool()>;

  Matcher(const Graph& graph, ValueId root, bool relaxed) : graph_(graph), match(graph, root), relaxed_(relaxed) {}

  bool value(const Pattern& pattern, ValueId id, Then then) {
    const Data& data = pattern.data();
    const size_t captures = match.captures_.size(), reasons = reasons_.size(), nodes = match.nodes_.size();
    if (constraints(data, id) && structure(data, id, [&] { return conditions(data, id) && then(); })) return true;
    match.captures_.resize(captures);
    reasons_.resize(reasons);
    match.nodes_.resize(nodes);
    return false;
  }

  const Graph& graph_;
  Match match;
  std::vector<std::string> reasons_;
  bool constrained = false;  // a constraint was what failed somewhere

 private:
  // A constraint that is not met: ends the match, or is noted when looking for a near miss.
  bool unmet(std::string reason) {
    constrained = true;
    reasons_.push_back(std::move(reason));
    return relaxed_;
  }

  bool constraints(const Data& data, ValueId id) {
    if (id == kAbsent) return data.kind == Kind::any && data.name.empty();
    const Value& value = graph_.value(id);
    const bool wants_constant = data.kind == Kind::constant || data.kind == Kind::scalar;
    if (wants_constant && !value.is_constant()) {
      if (data.value) return false;
      return unmet(fmt::format("'{}' is not a constant", value.name)) && capture(data, id);
    }
    if (data.kind == Kind::scalar) {
      const std::optional<double> found = scalar_value(value.info.constant);
      if (!found) return false;
      if (data.value && !(std::abs(*found - *data.value) <= 1e-6 * std::abs(*data.value))) return false;
    }
    if (data.once && !graph_.single_use(id) && !unmet(fmt::format("'{}' is used elsewhere too", value.name))) {
      return false;
    }
    return capture(data, id);
  }

  bool capture(const Data& data, ValueId id) {
    if (data.name.empty()) return true;
    if (match.has(data.name)) return match[data.name] == id;
    match.captures_.emplace_back(data.name, id);
    return true;
  }

  bool conditions(const Data& data, ValueId id) {
    if (!data.condition || !reasons_.empty()) return true;
    std::string reason = data.condition(match, id);
    return reason.empty() || unmet(std::move(reason));
  }

  bool structure(const Data& data, ValueId id, Then then) {
    if (data.kind == Kind::either) {
      return std::any_of(data.parts->begin(), data.parts->end(), [&](const Pattern& p) { return value(p, id, then); });
    }
    if (data.kind != Kind::node) return then();
    const Node* node = graph_.producer(id);
    if (!node || !node->is(data.op) || !node->epilogue.empty()) return false;
    match.nodes_.push_back(graph_.value(id).producer);
    if (!data.parts) return then();
    // Optional inputs that are not there may be left out of the pattern.
    std::vector<ValueId> inputs = node->inputs;
    while (inputs.size() > data.parts->size() && inputs.back() == kAbsent) inputs.pop_back();
    inputs.resize(std::max(inputs.size(), data.parts->size()), kAbsent);
    if (inputs.size() != data.parts->size()) return false;
    if (all(*data.parts, inputs, 0, then)) return true;
    if (inputs.size() != 2 || !commutes(data.op)) return false;
    std::swap(inputs[0], inputs[1]);
    return all(*data.parts, inputs, 0, then);
  }

  bool all(const std::vector<Pattern>& parts, const std::vector<ValueId>& ids, size_t i, Then then) {
    if (i == parts.size()) return then();
    return value(parts[i], ids[i], [&] { return all(parts, ids, i + 1, then); });
  }

  bool relaxed_;
};

std::vector<std::string_view> root_ops(const Pattern& pattern) {
  const Data& data = pattern.data();
  if (data.kind == Kind::node) return {data.op};
  std::vector<std::string_view> ops;
  if (data.kind != Kind::either) return ops;
  for (const Pattern& part : *data.parts) {
    const std::vector<std::string_view> more = root_ops(part);
    if (more.empty()) return {};
    ops.insert(ops.end(), more.begin(), more.end());
  }
  return ops;
}

std::optional<Match> match(const Graph& graph, const Pattern& pattern, ValueId root, std::string* near_miss) {
  Matcher strict(graph, root, false);
  if (strict.value(pattern, root, [] { return true; })) return std::move(strict.match);
  if (!near_miss || !strict.constrained) return std::nullopt;
  Matcher relaxed(graph, root, true);
  // One operator that fits is no near miss: every add would be one.
  if (relaxed.value(pattern, root, [&] { return relaxed.match.nodes().size() > 1; })) *near_miss = relaxed.reasons_[0];
  return std::nullopt;
}

std::optional<double> scalar_value(const Tensor& tensor) {
  if (!tensor.present() || tensor.size() != 1 || tensor.dtype() == DType::string) return std::nullopt;
  return tensor.to_f64()[0];
}

}  // namespace mj
