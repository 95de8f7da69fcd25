// SPDX-License-Identifier: Apache-2.0
// Types of nodes with regions.
#include <algorithm>
#include <set>

#include "ir/graph.h"
#include "ops/loop.h"

namespace mj {
namespace {

// Dim `d` that `output` has had before, so that it keeps its symbol; else a new one.
Dim kept_or_fresh(Graph& graph, const Node& node, size_t output, size_t d, size_t rank) {
  if (!node.outputs.empty()) {
    const Type& old = graph.type(node.outputs[output]);
    if (old.shape && old.shape->size() == rank) return (*old.shape)[d];
  }
  return graph.fresh_symbol(node.op.name());
}

Type if_type(Graph& graph, const Node& node, size_t output) {
  const Graph &a = node.regions[0], &b = node.regions[1];
  const Type &x = a.type(a.outputs[output]), &y = b.type(b.outputs[output]);
  Type merged = x;
  if (!x.is_tensor()) {
    merged.shape = common_shape(x.shape, y.shape);
    return merged;
  }
  if (!x.shape || !y.shape || x.shape->size() != y.shape->size()) {
    merged.shape = std::nullopt;
    return merged;
  }
  for (size_t d = 0; d < x.shape->size(); ++d) {
    if ((*x.shape)[d] == (*y.shape)[d]) continue;
    (*merged.shape)[d] = kept_or_fresh(graph, node, output, d, x.shape->size());
  }
  return merged;
}

bool known_true(const ValueInfo& info) {
  const auto known = info.known_elements();
  return known && known->size() == 1 && (*known)[0] != 0;
}

// How often a loop runs, if nothing but its first input decides that.
std::optional<Dim> runs(const Graph& graph, const Node& node) {
  const ValueId most = node.inputs[0], condition = node.inputs[1];
  const Graph& body = node.regions[0];
  if (most == kAbsent || (condition != kAbsent && !known_true(graph.value(condition).info)) ||
      !known_true(body.value(body.outputs[0]).info)) {
    return std::nullopt;
  }
  const auto elements = graph.value(most).info.elements();
  if (!elements || elements->size() != 1) return std::nullopt;
  const Dim count = less_equal(0, (*elements)[0]) == Tri::yes ? (*elements)[0] : max(0, (*elements)[0]);
  return count.valid() ? std::optional(count) : std::nullopt;
}

Type loop_type(Graph& graph, const Node& node, size_t output) {
  const Graph& body = node.regions[0];
  const bool carried = output < static_cast<size_t>(node.op.get_if<Loop>()->carried);
  Type type = body.type(carried ? body.inputs[1 + output] : body.outputs[1 + output]);
  if (!type.shape) return type;
  std::set<std::string> outside;
  for (ValueId id : node.inputs) {
    if (id == kAbsent) continue;
    const ValueInfo& info = graph.value(id).info;
    for (const Dim& dim : info.type.shape.value_or(Shape{})) outside.merge(dim.symbols());
    for (const Dim& dim : info.contents.value_or(std::vector<Dim>{})) outside.merge(dim.symbols());
  }
  const size_t front = carried ? 0 : 1, rank = type.shape->size() + front;
  for (size_t d = 0; d < type.shape->size(); ++d) {
    Dim& dim = (*type.shape)[d];
    const std::set<std::string> symbols = dim.symbols();
    if (std::includes(outside.begin(), outside.end(), symbols.begin(), symbols.end())) continue;
    dim = type.is_tensor() ? kept_or_fresh(graph, node, output, d + front, rank) : any_dim();
  }
  if (carried) return type;
  const std::optional<Dim> count = runs(graph, node);
  type.shape->insert(type.shape->begin(), count ? *count : kept_or_fresh(graph, node, output, 0, rank));
  return type;
}

}  // namespace

size_t own_inputs(const Node& node) {
  const Loop* loop = node.op.get_if<Loop>();
  return loop ? 1 + static_cast<size_t>(loop->carried) : 0;
}

Type type_from_regions(Graph& graph, const Node& node, size_t output) {
  return node.is("if") ? if_type(graph, node, output) : loop_type(graph, node, output);
}

}  // namespace mj
