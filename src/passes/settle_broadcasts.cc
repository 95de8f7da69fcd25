// SPDX-License-Identifier: Apache-2.0
// f(x: [..,S,..], y: [..,min(c, S),..])  =>  reshape_to{..,S,..}(f(x, y))     pointwise f, constant c >= 2
// So exporters add position tables: the result is S long, or the shapes do not fit. Its own type says broadcast(S,
// min(c, S)), which fails to evaluate for a larger S; behind the reshape every dim is plain S again, and heads, masks
// and attention can be seen.
#include <algorithm>

#include "base/shape.h"
#include "ops/dim_texts.h"
#include "passes/edit.h"
#include "passes/passes.h"

namespace mj {
namespace {

// Is b = min(c, a) for a symbol a and a constant c of at least 2?
bool is_cut(const Dim& a, const Dim& b) {
  const std::optional<std::string_view> symbol = a.symbol_name();
  if (!symbol) return false;
  const Bindings large{{std::string(*symbol), int64_t{1} << 40}};
  const Result<int64_t> c = b.evaluate(large);
  return c.ok() && *c >= 2 && *c < int64_t{1} << 40 && b == min(Dim(*c), a);
}

// Dim `from_right` of every input that has one.
std::vector<Dim> dims_of_inputs(const Graph& graph, const Node& node, size_t from_right) {
  std::vector<Dim> dims;
  for (ValueId input : node.inputs) {
    const Shape& shape = graph.shape(input);
    if (from_right < shape.size()) dims.push_back(shape[shape.size() - 1 - from_right]);
  }
  return dims;
}

std::optional<Shape> settled(const Graph& graph, const Node& node) {
  Shape shape = graph.shape(node.outputs[0]);
  bool changed = false;
  for (size_t i = 0; i < shape.size(); ++i) {
    Dim& dim = shape[shape.size() - 1 - i];
    if (dim.is_constant() || dim.symbol_name()) continue;
    const std::vector<Dim> dims = dims_of_inputs(graph, node, i);
    for (const Dim& a : dims) {
      const bool cut = std::any_of(dims.begin(), dims.end(), [&](const Dim& b) {
        return is_cut(a, b) && (dim == broadcast(a, b) || dim == broadcast(b, a));
      });
      if (!cut) continue;
      dim = a;
      changed = true;
      break;
    }
  }
  return changed ? std::optional(shape) : std::nullopt;
}

// Every use goes through a reshape already.
bool is_settled(const Graph& graph, ValueId id) {
  const std::vector<NodeId>& users = graph.value(id).users;
  return !graph.is_output(id) &&
         std::all_of(users.begin(), users.end(), [&](NodeId user) { return graph.node(user).is("reshape_to"); });
}

bool all_ranked(const Graph& graph, const Node& node) {
  return std::all_of(node.inputs.begin(), node.inputs.end(),
                     [&](ValueId id) { return id != kAbsent && graph.type(id).shape; });
}

}  // namespace

Pass settle_broadcasts() {
  return {"settle_broadcasts", [](Graph& graph, const PassContext&) -> Result<bool> {
            bool changed = false;
            for (NodeId id : graph.order()) {
              const Node& node = graph.node(id);
              if (!node.op || !node.op.info().pointwise || !node.epilogue.empty() || !all_ranked(graph, node)) continue;
              const ValueId result = node.outputs[0];
              if (!graph.type(result).shape || is_settled(graph, result)) continue;
              const std::optional<Shape> shape = settled(graph, node);
              if (!shape) continue;
              const std::vector<std::string> origin = node.origin;
              const ValueId same = graph.add1(Op(node.op), std::vector(node.inputs), origin);
              const Op plain = op("reshape_to", {{1, "shape", dim_texts(*shape)}});
              replace_value(graph, result, graph.add1(plain, {same}, origin));
              changed = true;
            }
            return changed;
          }};
}

}  // namespace mj
