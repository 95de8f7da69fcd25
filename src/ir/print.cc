// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <unordered_map>

#include "base/hash64.h"
#include "base/shape.h"
#include "ir/text.h"

namespace mj {
namespace {

bool is_plain(std::string_view name) {
  return !name.empty() &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '.'; });
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string joined(const std::vector<std::string>& parts) { return fmt::format("{}", fmt::join(parts, ", ")); }

// Which nodes in which order, and what values are called.
struct Plan {
  std::vector<NodeId> nodes;
  std::vector<ValueId> constants;
  std::vector<std::string> names;  // by ValueId
};

Plan plan_as_is(const Graph& graph) {
  Plan plan{graph.order(), {}, {}};
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    const Value& value = graph.value(id);
    plan.names.push_back(value.name);
    const bool is_input = std::find(graph.inputs.begin(), graph.inputs.end(), id) != graph.inputs.end();
    const bool used = !value.users.empty() || graph.is_output(id);
    if (value.is_constant() && !is_input && used) plan.constants.push_back(id);
  }
  return plan;
}

Plan plan_canonical(const Graph& graph, bool keep_input_names) {
  Plan plan;
  plan.names.resize(static_cast<size_t>(graph.value_count()));
  int next = 0;
  auto number = [&](ValueId id) {
    std::string& name = plan.names[static_cast<size_t>(id)];
    if (name.empty()) name = fmt::format("{}", next++);
  };
  for (ValueId id : graph.inputs) {
    if (keep_input_names) plan.names[static_cast<size_t>(id)] = graph.value(id).name;
    number(id);
  }
  std::vector<bool> seen(static_cast<size_t>(graph.node_count()), false);
  std::vector<std::pair<NodeId, size_t>> stack;
  auto visit = [&](ValueId id) {
    if (id == kAbsent) return;
    const Value& value = graph.value(id);
    if (value.producer != kNoNode) {
      if (!seen[static_cast<size_t>(value.producer)]) stack.emplace_back(value.producer, 0);
      seen[static_cast<size_t>(value.producer)] = true;
    } else if (plan.names[static_cast<size_t>(id)].empty()) {
      number(id);
      plan.constants.push_back(id);
    }
  };
  for (ValueId output : graph.outputs) {
    visit(output);
    while (!stack.empty()) {
      auto& [id, input] = stack.back();
      const Node& node = graph.node(id);
      if (input < node.inputs.size()) {
        visit(node.inputs[input++]);
        continue;
      }
      plan.nodes.push_back(id);
      for (ValueId made : node.outputs) number(made);
      stack.pop_back();
    }
  }
  return plan;
}

class Printer {
 public:
  Printer(const PrintOptions& options, bool canonical) : options_(options), canonical_(canonical) {}

  // "(params) {\n lines }"
  std::string block(const Graph& graph, int depth) {
    const Plan plan = canonical_ ? plan_canonical(graph, depth == 0) : plan_as_is(graph);
    const std::string indent(static_cast<size_t>(depth) * 2 + 2, ' ');
    std::vector<std::string> params;
    for (ValueId id : graph.inputs) params.push_back(ref(plan, id) + ": " + info(graph.value(id).info));
    std::string out = "(" + joined(params) + ") {\n";
    for (ValueId id : plan.constants) {
      out += fmt::format("{}{} = constant {}\n", indent, ref(plan, id), constant(graph.value(id).info.constant));
    }
    for (NodeId id : plan.nodes) out += indent + node(graph, plan, graph.node(id), depth) + "\n";
    out += indent + "return " + refs(plan, graph.outputs) + "\n";
    return out + indent.substr(2) + "}";
  }

 private:
  static std::string ref(const Plan& plan, ValueId id) {
    if (id == kAbsent) return "_";
    const std::string& name = plan.names[static_cast<size_t>(id)];
    return "%" + (is_plain(name) ? name : quoted(name));
  }

  static std::string refs(const Plan& plan, std::span<const ValueId> ids) {
    std::vector<std::string> parts;
    for (ValueId id : ids) parts.push_back(ref(plan, id));
    return joined(parts);
  }

  static std::string info(const ValueInfo& info) {
    std::string out = to_string(info.type);
    if (!info.contents) return out;
    std::vector<std::string> parts;
    for (const Dim& dim : *info.contents) parts.push_back(to_string(dim));
    return out + " = [" + joined(parts) + "]";
  }

  std::string constant(const Tensor& tensor) const {
    if (tensor.size() <= options_.inline_elements) return to_string(tensor, tensor.size());
    uint64_t hash = 0;
    if (tensor.dtype() == DType::string) {
      for (const std::string& s : tensor.string_data()) hash = hash64(s, hash);
    } else {
      hash = hash64({static_cast<const std::byte*>(tensor.raw()), static_cast<size_t>(tensor.bytes())});
    }
    return fmt::format("{}[{}] hash:{:016x}", name(tensor.dtype()), fmt::join(tensor.dims(), ","), hash);
  }

  std::string node(const Graph& graph, const Plan& plan, const Node& node, int depth) {
    const std::span<const ValueId> inputs = node.inputs;
    const bool fused = node.op && !node.epilogue.empty();
    const size_t anchor = fused ? static_cast<size_t>(node.anchor_inputs) : inputs.size();
    const std::string op = node.op ? to_string(node.op) : "pointwise";  // "name" or "name {fields}"
    const size_t space = std::min(op.find(' '), op.size());
    std::string out = fmt::format("{} = {}({}){}", refs(plan, node.outputs), op.substr(0, space),
                                  refs(plan, inputs.first(anchor)), op.substr(space));
    if (fused) out += " epilogue(" + refs(plan, inputs.subspan(anchor)) + ")";
    if (!node.epilogue.empty()) out += " " + to_string(node.epilogue);
    for (size_t i = 0; i < node.regions.size(); ++i) {
      out += (node.is("loop") ? " body " : i == 0 ? " then " : " else ") + block(node.regions[i], depth + 1);
    }
    if (options_.types || fused || !node.op || !node.regions.empty()) {
      std::vector<std::string> types;
      for (ValueId id : node.outputs) types.push_back(info(graph.value(id).info));
      out += " : " + joined(types);
    }
    if (!canonical_ && !node.origin.empty()) {
      std::vector<std::string> names;
      for (const std::string& name : node.origin) names.push_back(quoted(name));
      out += " from " + joined(names);
    }
    return out;
  }

  const PrintOptions& options_;
  bool canonical_;
};

}  // namespace

std::string to_string(const Graph& graph, const PrintOptions& options) {
  return fmt::format("graph {} {}\n", quoted(graph.name), Printer(options, false).block(graph, 0));
}

std::string canonical_text(const Graph& graph, bool name_inputs) {
  const PrintOptions options;
  return "graph " + Printer(options, true).block(graph, name_inputs ? 0 : 1) + "\n";
}

}  // namespace mj
