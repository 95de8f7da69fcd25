// SPDX-License-Identifier: Apache-2.0
// Pass: a named function from a graph to a better one that computes the same. It sees one graph; the driver
// (driver.h) takes it through regions, drops what it leaves dead, verifies and times it.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "problem/target.h"

namespace mj {

// Why a pass left a node as it is although it looked at it: "why not fused?" is answered from these.
struct WhyNot {
  std::string pass, node, reason;
  bool operator==(const WhyNot&) const = default;
};

struct PassReport {
  std::string name;
  double seconds = 0;
  bool changed = false;
  size_t nodes = 0;  // after it, regions not counted
};

struct PassLog {
  std::vector<PassReport> passes;
  std::vector<WhyNot> why_not;         // each once
  std::vector<std::string> kept_high;  // nodes that stay in f32 since 16 bits do not hold what they read or make
};

struct PassContext {
  Target target;
  // A fold may make a constant this large even if its inputs were smaller (a Range, a ConstantOfShape, an Expand).
  int64_t max_fold_bytes = 1 << 20;
  // What tensors between steps are rounded to, f16 or bf16; nothing: to nothing.
  std::optional<DType> narrow;
  std::set<std::string> keep_f32;  // names of the model's nodes whose numbers outgrow that
  PassLog* log = nullptr;          // may be null
  std::string pass;                // the pass that runs, for why_not()
  bool in_region = false;          // is the graph a region of another?

  void why_not(const Graph& graph, const Node& node, std::string reason) const;
};

struct Pass {
  std::string name;  // also of its file, its golden file and its switch MJ_PASSES=-name
  // Whether it changed anything. An error is the model's; a broken graph is a CHECK.
  std::function<Result<bool>(Graph&, const PassContext&)> run;
};

}  // namespace mj
