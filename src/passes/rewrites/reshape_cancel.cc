// SPDX-License-Identifier: Apache-2.0
// reshape_to(reshape_to(x))         =>  reshape_to(x)
// reshape_to(transpose{perm}(x))    =>  reshape_to(x)      where perm moves dimensions of 1 alone
// f(reshape_to(x))                  =>  reshape_to(f(x))   f pointwise with one operand, or others of one element
// f(reshape_to(x), reshape_to(y))   =>  reshape_to(f(x, y))   where x and y have the same shape
#include <algorithm>

#include "ops/dim_texts.h"
#include "ops/transpose.h"
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

Outcome again(Graph& graph, const Match& m, const PassContext&) {
  const Op reshape = graph.producer(m.root())->op;
  return graph.add1(reshape, {m["x"]});
}

// Do the dims that are not 1 keep their order?
Outcome over_transpose(Graph& graph, const Match& m, const PassContext& context) {
  const Shape& shape = m.shape("x");
  int64_t last = -1;
  for (int64_t d : m.node("transpose").op.get_if<Transpose>()->order(std::ssize(shape))) {
    if (shape[static_cast<size_t>(d)] == Dim(1)) continue;
    if (d < last) return Outcome::no();
    last = d;
  }
  return again(graph, m, context);
}

bool one_element(const Type& type) {
  return type.shape &&
         std::all_of(type.shape->begin(), type.shape->end(), [](const Dim& dim) { return dim == Dim(1); });
}

Outcome sink(Graph& graph, const Match& m, const PassContext&) {
  const Node node = *graph.producer(m.root());
  if (!node.op || !node.epilogue.empty() || !node.op.info().pointwise) return Outcome::no();
  std::optional<Shape> from, to;
  std::vector<ValueId> inputs = node.inputs;
  for (ValueId& input : inputs) {
    const Node* reshape = graph.producer(input);
    if (reshape && reshape->is("reshape_to")) {
      const Shape below = graph.shape(reshape->inputs[0]), above = graph.shape(input);
      if (from && (!same_shape(*from, below) || !same_shape(*to, above))) return Outcome::no();
      if (!graph.single_use(input) &&
          graph.value(input).users.size() !=
              static_cast<size_t>(std::count(node.inputs.begin(), node.inputs.end(), input))) {
        return Outcome::no();
      }
      from = below;
      to = above;
      input = reshape->inputs[0];
    } else if (!one_element(graph.type(input)) || graph.type(input).rank() > 1) {
      return Outcome::no();
    }
  }
  // A rank of 0 below would take the rank of a one-element operand.
  if (!from || from->empty() || !same_shape(*to, graph.shape(m.root()))) return Outcome::no();
  return graph.add1(op("reshape_to", {{1, "shape", dim_texts(*to)}}), {graph.add1(node.op, inputs)});
}

}  // namespace

Pass reshape_cancel() {
  return rewrite_pass(
      "reshape_cancel",
      {{"twice", node("reshape_to", {node("reshape_to", {any("x")})}), again},
       {"transpose", node("reshape_to", {node("transpose", {any("x")}).as("transpose")}), over_transpose},
       {"sink", any(), sink}});
}

}  // namespace mj
