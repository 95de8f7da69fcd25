// SPDX-License-Identifier: Apache-2.0
// Rewrite: a pattern and what takes the place of the value it matches. A pass made of rewrites applies them greedily,
// in the order of their list, until none fits. Every file in rewrites/ starts with its equation.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "passes/pass.h"
#include "passes/pattern.h"

namespace mj {

// What apply() did: a value that replaces the matched one, a change made in place, or nothing and perhaps why.
struct Outcome {
  ValueId value = kAbsent;
  bool changed = false;
  std::string why_not;

  Outcome(ValueId value) : value(value), changed(true) {}
  Outcome(std::string why_not) : why_not(std::move(why_not)) {}
  Outcome(const char* why_not) : why_not(why_not) {}
  static Outcome in_place() {
    Outcome outcome("");
    outcome.changed = true;
    return outcome;
  }
  static Outcome no() { return ""; }
};

struct Rewrite {
  std::string name;
  Pattern pattern;
  // Must not change the graph where it declines. New nodes get the origins of the matched ones. The new value has the
  // matched one's element type and rank.
  std::function<Outcome(Graph&, const Match&, const PassContext&)> apply;
};

Result<bool> apply_rewrites(Graph& graph, std::span<const Rewrite> rewrites, const PassContext& context);
Pass rewrite_pass(std::string name, std::vector<Rewrite> rewrites);

}  // namespace mj
