// SPDX-License-Identifier: Apache-2.0
// if(true, x...) then f else g  =>  f(x...)
// if(c, x...) then f else f     =>  f(x...)
// The branch becomes part of the graph.
#include "ir/text.h"
#include "passes/edit.h"
#include "passes/passes.h"

namespace mj {
namespace {

// Copies the region's nodes into `graph`, its inputs bound to `captures`; returns its outputs there.
std::vector<ValueId> inline_region(Graph& graph, const Graph& region, std::span<const ValueId> captures) {
  std::vector<ValueId> place(static_cast<size_t>(region.value_count()), kAbsent);
  for (size_t i = 0; i < region.inputs.size(); ++i) place[static_cast<size_t>(region.inputs[i])] = captures[i];
  const auto at = [&](ValueId id) -> ValueId {
    if (id == kAbsent) return kAbsent;
    ValueId& there = place[static_cast<size_t>(id)];
    if (there == kAbsent) there = graph.add_constant(region.value(id).name, region.value(id).info.constant);
    return there;
  };
  for (NodeId id : region.order()) {
    Node node = region.node(id);
    for (ValueId& input : node.inputs) input = at(input);
    std::vector<ValueInfo> infos;
    std::vector<std::string> names;
    for (ValueId output : node.outputs) {
      infos.push_back(region.value(output).info);
      names.push_back(region.value(output).name);
    }
    const std::vector<ValueId> inner = node.outputs;
    const std::vector<ValueId> outer = graph.add_typed(std::move(node), std::move(infos), std::move(names));
    for (size_t i = 0; i < inner.size(); ++i) place[static_cast<size_t>(inner[i])] = outer[i];
  }
  std::vector<ValueId> outputs;
  for (ValueId id : region.outputs) outputs.push_back(at(id));
  return outputs;
}

// The branch to take, if that is known.
std::optional<size_t> taken(const Graph& graph, const Node& node) {
  const Value& condition = graph.value(node.inputs[0]);
  if (const auto known = condition.info.known_elements(); known && known->size() == 1) return (*known)[0] ? 0 : 1;
  if (canonical_text(node.regions[0], false) == canonical_text(node.regions[1], false)) return 0;
  return std::nullopt;
}

}  // namespace

Pass specialise_if() {
  return {"specialise_if", [](Graph& graph, const PassContext& context) -> Result<bool> {
            bool changed = false;
            for (NodeId id : graph.order()) {
              if (!graph.node(id).is("if")) continue;
              const std::optional<size_t> branch = taken(graph, graph.node(id));
              if (!branch) {
                context.why_not(graph, graph.node(id), "the condition is not known and the branches differ");
                continue;
              }
              const Graph region = graph.node(id).regions[*branch];
              const std::vector<ValueId> captures(graph.node(id).inputs.begin() + 1, graph.node(id).inputs.end());
              const std::vector<ValueId> outputs = graph.node(id).outputs;
              const std::vector<ValueId> results = inline_region(graph, region, captures);
              for (size_t i = 0; i < outputs.size(); ++i) replace_value(graph, outputs[i], results[i]);
              changed = true;
            }
            return changed;
          }};
}

}  // namespace mj
