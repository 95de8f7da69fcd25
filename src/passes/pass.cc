// SPDX-License-Identifier: Apache-2.0
#include "passes/pass.h"

#include <algorithm>

namespace mj {

void PassContext::why_not(const Graph& graph, const Node& node, std::string reason) const {
  if (!log) return;
  const std::string& name = node.origin.empty() ? graph.value(node.outputs[0]).name : node.origin[0];
  WhyNot entry{pass, name, std::move(reason)};
  if (std::find(log->why_not.begin(), log->why_not.end(), entry) == log->why_not.end()) {
    log->why_not.push_back(std::move(entry));
  }
}

}  // namespace mj
