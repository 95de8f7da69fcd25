// SPDX-License-Identifier: Apache-2.0
// The IR's rules. Every pass must leave a graph that passes.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "ir/graph.h"
#include "ops/loop.h"

namespace mj {
namespace {

std::string describe(const Graph& graph, const Node& node) {
  const std::string output = node.outputs.empty() ? "" : graph.value(node.outputs[0]).name;
  return fmt::format("node '{}' ({})", output, node.op ? node.op.name() : "pointwise");
}

std::string check_loop(const Node& node) {
  const int64_t carried = node.op.get_if<Loop>()->carried;
  if (carried < 0 || node.inputs.size() < 2 + static_cast<size_t>(carried) ||
      node.outputs.size() < static_cast<size_t>(carried)) {
    return "a loop has inputs and outputs for what it carries";
  }
  const Graph& body = node.regions[0];
  if (body.type(body.inputs[0]) != Type::tensor(DType::i64, {})) return "a loop's region takes the iteration first";
  if (body.type(body.outputs[0]).dtype != DType::boolean) return "a loop's region gives the condition first";
  return "";
}

std::string check_regions(const Graph& graph, const Node& node) {
  const bool is_loop = node.is("loop");
  if (node.regions.size() != (node.is("if") ? 2 : is_loop ? 1 : 0)) {
    return describe(graph, node) + ": an if has two regions, a loop one, another node none";
  }
  for (const Graph& region : node.regions) {
    if (region.inputs.size() + 1 != node.inputs.size()) {
      return describe(graph, node) + ": a region's inputs are the node's but for the first";
    }
    if (region.outputs.size() != node.outputs.size() + (is_loop ? 1 : 0))
      return describe(graph, node) + ": a region's outputs are the node's";
    if (std::string inner = verify(region); !inner.empty()) return describe(graph, node) + ": " + inner;
  }
  if (!is_loop) return "";
  const std::string wrong = check_loop(node);
  return wrong.empty() ? wrong : describe(graph, node) + ": " + wrong;
}

std::string check_epilogue(const Graph& graph, const Node& node) {
  const Body& body = node.epilogue;
  if (!node.op && body.empty()) return describe(graph, node) + ": neither operator nor body";
  if (body.empty()) return "";
  if (std::string wrong = verify(body); !wrong.empty()) return describe(graph, node) + ": " + wrong;
  const size_t anchor = node.op ? static_cast<size_t>(node.anchor_inputs) : 0;
  const size_t own = body.params.size() - (node.op ? 1 : 0);
  if (anchor + own != node.inputs.size()) {
    return fmt::format("{}: {} inputs, the body and its anchor take {}", describe(graph, node), node.inputs.size(),
                       anchor + own);
  }
  if (body.results.size() != node.outputs.size()) return describe(graph, node) + ": a body's results are the outputs";
  for (size_t i = 0; i < own; ++i) {
    const ValueId input = node.inputs[anchor + i];
    if (input == kAbsent) return describe(graph, node) + ": a body's parameter is absent";
    const DType want = body.params[i + (node.op ? 1 : 0)];
    if (graph.type(input).dtype != want) {
      return fmt::format("{}: parameter {} is {}, the body wants {}", describe(graph, node), i,
                         name(graph.type(input).dtype), name(want));
    }
  }
  return "";
}

}  // namespace

std::string verify(const Graph& graph) {
  std::unordered_set<std::string> names;
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    const Value& value = graph.value(id);
    if (value.name.empty()) return fmt::format("value {} has no name", id);
    if (!names.insert(value.name).second) return fmt::format("two values are named '{}'", value.name);
    if (value.is_constant() && value.producer != kNoNode)
      return fmt::format("constant '{}' has a producer", value.name);
    if (value.is_constant() && !value.type().is_tensor())
      return fmt::format("constant '{}' is {}", value.name, to_string(value.type()));
    if (value.type().shape) {
      for (const Dim& dim : *value.type().shape) {
        if (!dim.valid()) return fmt::format("value '{}' has an invalid dimension", value.name);
      }
    }
  }
  std::vector<bool> defined(static_cast<size_t>(graph.value_count()), false);
  for (ValueId id : graph.inputs) defined[static_cast<size_t>(id)] = true;
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    if (graph.value(id).is_constant()) defined[static_cast<size_t>(id)] = true;
  }
  for (NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    for (ValueId input : node.inputs) {
      if (input == kAbsent) continue;
      if (input < 0 || input >= graph.value_count()) return describe(graph, node) + ": input out of range";
      if (!defined[static_cast<size_t>(input)]) {
        return fmt::format("{}: input '{}' is used before it is made", describe(graph, node), graph.value(input).name);
      }
      const auto& users = graph.value(input).users;
      if (std::count(users.begin(), users.end(), id) != std::count(node.inputs.begin(), node.inputs.end(), input)) {
        return fmt::format("{}: the users of '{}' are out of date", describe(graph, node), graph.value(input).name);
      }
    }
    for (ValueId output : node.outputs) {
      if (graph.value(output).producer != id) return describe(graph, node) + ": an output names another producer";
      if (defined[static_cast<size_t>(output)]) return describe(graph, node) + ": an output is made twice";
      defined[static_cast<size_t>(output)] = true;
    }
    if (std::string wrong = check_regions(graph, node); !wrong.empty()) return wrong;
    if (std::string wrong = check_epilogue(graph, node); !wrong.empty()) return wrong;
  }
  for (ValueId id : graph.outputs) {
    if (!defined[static_cast<size_t>(id)]) return fmt::format("output '{}' is never made", graph.value(id).name);
  }
  return "";
}

}  // namespace mj
