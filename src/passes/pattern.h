// SPDX-License-Identifier: Apache-2.0
// Patterns over values, built as they read:
//
//   node("mul", {node("conv", {any("x"), constant("w")}).as("conv").once(), constant("s")})
//
// matches a product of a convolution by a constant, either way round. The same name twice is the same value. A pattern
// that fits but for constants, once() and where() is a near miss, and the matcher says what stood in the way.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ir/graph.h"

namespace mj {

class Match;

class Pattern {
 public:
  // Captures the value; `Match::node(name)` is its producer.
  Pattern as(std::string name) const;
  // The value is used by the match alone, so that what made it can go.
  Pattern once() const;
  // `condition` returns an empty text, or why this value will not do. It sees the captures made so far.
  Pattern where(std::function<std::string(const Match&, ValueId)> condition) const;

  struct Data;
  explicit Pattern(std::shared_ptr<const Data> data) : data_(std::move(data)) {}
  const Data& data() const { return *data_; }

 private:
  std::shared_ptr<const Data> data_;
};

Pattern any(std::string name = "");  // any value, or an absent input
Pattern constant(std::string name);  // a value known now
Pattern scalar(std::string name);    // a constant of one element, of any rank
// A constant of one element that is `value`, but for the rounding of exporters (relative 1e-6).
Pattern scalar(double value);
// The result of an operator with exactly these inputs; of add, mul, min, max, and, or, xor, equal in either order.
Pattern node(std::string op, std::vector<Pattern> inputs);
// The same, whatever the inputs are.
Pattern node(std::string op);
Pattern either(std::vector<Pattern> alternatives);

class Match {
 public:
  Match(const Graph& graph, ValueId root) : graph_(graph), root_(root) {}

  ValueId root() const { return root_; }
  ValueId operator[](std::string_view name) const;  // a CHECK if the pattern did not capture it
  bool has(std::string_view name) const;
  const Node& node(std::string_view name) const { return *graph_.producer((*this)[name]); }
  const Tensor& tensor(std::string_view name) const { return graph_.value((*this)[name]).info.constant; }
  const Shape& shape(std::string_view name) const { return graph_.shape((*this)[name]); }
  const std::vector<NodeId>& nodes() const { return nodes_; }  // that took part, the root's first

 private:
  friend class Matcher;
  const Graph& graph_;
  ValueId root_;
  std::vector<std::pair<std::string_view, ValueId>> captures_;
  std::vector<NodeId> nodes_;
};

// The operators that `pattern` can have at its root; empty when any.
std::vector<std::string_view> root_ops(const Pattern& pattern);

// A match of the value `root`, or nothing; then `near_miss`, if not null, gets the reason where there is one.
std::optional<Match> match(const Graph& graph, const Pattern& pattern, ValueId root, std::string* near_miss = nullptr);

// The constant's only element as a double; nothing if it has several, or is no number.
std::optional<double> scalar_value(const Tensor& tensor);

}  // namespace mj
