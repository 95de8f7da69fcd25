// SPDX-License-Identifier: Apache-2.0
#include "passes/edit.h"

#include <algorithm>
#include <set>

#include "base/shape.h"

namespace mj {

bool is_dead(const Graph& graph, NodeId id) {
  const std::vector<ValueId>& outputs = graph.node(id).outputs;
  return std::all_of(outputs.begin(), outputs.end(),
                     [&](ValueId output) { return graph.value(output).users.empty() && !graph.is_output(output); });
}

bool erase_dead(Graph& graph, NodeId id) {
  if (!is_dead(graph, id)) return false;
  std::vector<NodeId> work{id};
  while (!work.empty()) {
    const NodeId dead = work.back();
    work.pop_back();
    if (graph.node(dead).erased || !is_dead(graph, dead)) continue;
    const std::vector<ValueId> inputs = graph.node(dead).inputs;
    graph.erase(dead);
    for (ValueId input : inputs) {
      if (input != kAbsent && graph.value(input).producer != kNoNode) work.push_back(graph.value(input).producer);
    }
  }
  return true;
}

void add_origins(const Node& node, std::vector<std::string>& origin) {
  for (const std::string& name : node.origin)
    if (std::find(origin.begin(), origin.end(), name) == origin.end()) origin.push_back(name);
}

void add_dead_origins(const Graph& graph, NodeId id, std::vector<std::string>& origin) {
  std::set<NodeId> dead;
  const auto is_unused = [&](ValueId value) {
    const std::vector<NodeId>& users = graph.value(value).users;
    return !graph.is_output(value) &&
           std::all_of(users.begin(), users.end(), [&](NodeId user) { return dead.contains(user); });
  };
  std::vector<NodeId> work{id};
  while (!work.empty()) {
    const Node& node = graph.node(work.back());
    const NodeId at = work.back();
    work.pop_back();
    if (dead.contains(at) || !std::all_of(node.outputs.begin(), node.outputs.end(), is_unused)) continue;
    dead.insert(at);
    add_origins(node, origin);
    for (ValueId input : node.inputs)
      if (input != kAbsent && graph.value(input).producer != kNoNode) work.push_back(graph.value(input).producer);
  }
}

bool loses_name(const Graph& graph, ValueId from, ValueId to) {
  if (!graph.is_output(from)) return false;
  const bool is_input = std::find(graph.inputs.begin(), graph.inputs.end(), to) != graph.inputs.end();
  return is_input || graph.is_output(to);
}

void replace_value(Graph& graph, ValueId from, ValueId to) {
  if (loses_name(graph, from, to)) to = graph.add1(op("identity"), {to});
  graph.replace_uses(from, to);
}

Tensor compute(const Op& op, std::span<const Tensor> inputs) {
  Result<std::vector<Tensor>> result = evaluate(op, inputs, 1);
  CHECK(result.ok(), "a rewrite computes a constant: {}", result.error().message);
  return std::move((*result)[0]);
}

Tensor compute(std::string_view name, std::initializer_list<Tensor> inputs) {
  return compute(op(name), std::span(inputs.begin(), inputs.size()));
}

const FieldValue& field_of(const std::vector<NamedField>& fields, std::string_view name) {
  for (const NamedField& field : fields) {
    if (field.name == name) return field.value;
  }
  CHECK(false, "no field '{}'", name);
}

bool has_field(const Op& op, std::string_view name) {
  const std::span<const FieldInfo> fields = op.info().fields;
  return std::any_of(fields.begin(), fields.end(), [&](const FieldInfo& field) { return field.name == name; });
}

Op with_field(const Op& op, std::string_view name, FieldValue value) {
  std::vector<NamedField> fields = op.fields();
  for (NamedField& field : fields) {
    if (field.name != name) continue;
    field.value = std::move(value);
    break;
  }
  Result<Op> made = make_op(op.name(), fields);
  CHECK(made.ok(), "{}", made.error().message);
  return std::move(*made);
}

}  // namespace mj
