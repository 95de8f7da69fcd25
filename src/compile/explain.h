// SPDX-License-Identifier: Apache-2.0
// What became of each node of a model on its way to the plan, and why no more became of it.
#pragma once

#include <string>
#include <vector>

#include "import/onnx.h"
#include "passes/pass.h"

namespace mj {

// A node of the fused graph that computes a node of the model, alone or with others.
struct PartOf {
  std::string step;               // "matmul after 2", "pointwise", ...: the operator and what was fused to it
  std::vector<std::string> with;  // the other nodes of the model that it computes
  bool operator==(const PartOf&) const = default;
};

struct Explanation {
  std::string node;           // of the model: its name and operator
  std::vector<PartOf> parts;  // none: known when compiled, cancelled out, or needed by nobody
  std::vector<WhyNot> why_not;
};

// Every node of the model and of its branches, in the model's order. Runs the passes, so their errors are its own.
Result<std::vector<Explanation>> explain(const Model& model, const Target& target);

}  // namespace mj
