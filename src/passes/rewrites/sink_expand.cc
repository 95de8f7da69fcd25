// SPDX-License-Identifier: Apache-2.0
// f(expand_to(x), y)            =>  f(x, y)               pointwise f, where y alone makes the result that large
// f(expand_to(x), y)            =>  expand_to(f(x, y))    otherwise: less is computed
// expand_to(expand_to(x))       =>  expand_to(x)
// reshape_to(expand_to(c))      =>  expand_to(c)          where c has one element
// slice_to(expand_to(c))        =>  expand_to(c)          likewise
#include <algorithm>

#include "base/shape.h"
#include "ops/dim_texts.h"
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

bool is_expand(const Graph& graph, ValueId id) {
  const Node* node = graph.producer(id);
  return node && node->is("expand_to");
}

// The shape of f over these operands; nothing if they do not broadcast for certain.
std::optional<Shape> result_shape(const Graph& graph, std::span<const ValueId> inputs) {
  Shape shape;
  for (ValueId input : inputs) {
    if (!graph.type(input).shape) return std::nullopt;
    Result<Shape> both = broadcast_shapes(shape, graph.shape(input));
    if (!both.ok()) return std::nullopt;
    shape = std::move(*both);
  }
  return shape;
}

Outcome move_expand(Graph& graph, const Match& m, const PassContext&) {
  const Node node = *graph.producer(m.root());
  if (!node.op || !node.epilogue.empty() || !node.op.info().pointwise || !graph.type(m.root()).shape)
    return Outcome::no();
  const Shape want = graph.shape(m.root());
  std::vector<ValueId> inputs = node.inputs;
  bool expanded = false, all_needed = true;
  for (ValueId& input : inputs) {
    if (!is_expand(graph, input)) continue;
    expanded = true;
    const ValueId old = std::exchange(input, graph.producer(input)->inputs[0]);
    const std::optional<Shape> shape = result_shape(graph, inputs);
    if (shape && same_shape(*shape, want)) {
      all_needed = false;
    } else {
      input = old;
    }
  }
  if (!expanded) return Outcome::no();
  if (!all_needed) return graph.add1(node.op, inputs);

  for (ValueId& input : inputs) {
    if (is_expand(graph, input)) input = graph.producer(input)->inputs[0];
  }
  return graph.add1(op("expand_to", {{1, "shape", dim_texts(want)}}), {graph.add1(node.op, inputs)});
}

Outcome expand_again(Graph& graph, const Match& m, const PassContext&) {
  const Op expand = graph.producer(m.root())->op;
  return graph.add1(expand, {m["x"]});
}

Outcome reshaped(Graph& graph, const Match& m, const PassContext&) {
  if (!graph.type(m["x"]).shape || element_count(m.shape("x")) != Dim(1)) return Outcome::no();
  const Shape shape = graph.shape(m.root());
  if (std::ssize(shape) < graph.type(m["x"]).rank()) return Outcome::no();
  return graph.add1(op("expand_to", {{1, "shape", dim_texts(shape)}}), {m["x"]});
}

}  // namespace

Pass sink_expand() {
  return rewrite_pass("sink_expand", {{"twice", node("expand_to", {node("expand_to", {any("x")})}), expand_again},
                                      {"reshaped", node("reshape_to", {node("expand_to", {any("x")})}), reshaped},
                                      {"sliced", node("slice_to", {node("expand_to", {any("x")})}), reshaped},
                                      {"sink", any(), move_expand}});
}

}  // namespace mj
