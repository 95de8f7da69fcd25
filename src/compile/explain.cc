// SPDX-License-Identifier: Apache-2.0
#include "compile/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "passes/pipeline.h"

namespace mj {
namespace {

// f(node) for the nodes of a graph and of its regions, in order.
template <class F>
void for_each_node(const Graph& graph, F f) {
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    f(graph, node);
    for (const Graph& region : node.regions) for_each_node(region, f);
  }
}

std::string describe(const Graph& graph, const Node& node) {
  const std::string name(node.op ? node.op.name() : "pointwise");
  const size_t fused = node.epilogue.instructions.size();
  const std::string work = !fused || !node.op ? name : fmt::format("{}+{}", name, fused);
  return node.outputs.empty() ? work : fmt::format("{} -> {}", work, to_string(graph.value(node.outputs[0]).type()));
}

}  // namespace

Result<std::vector<Explanation>> explain(const Model& model, const Target& target) {
  std::vector<Explanation> all;
  std::map<std::string, size_t> at;  // several nodes of the graph may come from one of the model
  for_each_node(model.graph, [&](const Graph&, const Node& node) {
    for (const std::string& name : node.origin)
      if (at.emplace(name, all.size()).second) all.push_back({name, {}, {}});
  });

  Graph graph = model.graph;
  PassLog log;
  PassContext context;
  context.target = target;
  context.log = &log;
  MJ_TRY(optimize(graph, context));

  for_each_node(graph, [&](const Graph& owner, const Node& node) {
    for (const std::string& name : node.origin) {
      const auto known = at.find(name);
      if (known == at.end()) continue;
      PartOf part{describe(owner, node), {}};
      for (const std::string& other : node.origin)
        if (other != name && at.contains(other)) part.with.push_back(other);
      all[known->second].parts.push_back(std::move(part));
    }
  });
  for (const WhyNot& why : log.why_not)
    if (const auto known = at.find(why.node); known != at.end()) all[known->second].why_not.push_back(why);
  return all;
}

}  // namespace mj
