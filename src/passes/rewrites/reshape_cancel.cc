// SPDX-License-Identifier: Apache-2.0
// reshape_to(reshape_to(x))         =>  reshape_to(x)
// reshape_to(transpose{perm}(x))    =>  reshape_to(x)      where perm moves dimensions of 1 alone
// f(reshape_to(x), c)               =>  reshape_to(f(x, c'))   f pointwise; c of one element, or a constant that varies
//                                                          along dims at the end that the reshape leaves as they are,
//                                                          or makes of the last one
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

// The last dims of `to` that are made of the last one of `from`; empty if there are none.
std::vector<int64_t> made_of_last(const Shape& from, const Shape& to) {
  const std::optional<int64_t> whole = from.back().constant();
  std::vector<int64_t> dims;
  for (int64_t rest = whole.value_or(0); rest > 1 && dims.size() < to.size();) {
    const std::optional<int64_t> dim = to[to.size() - 1 - dims.size()].constant();
    if (!dim || *dim < 1 || rest % *dim != 0) return {};
    dims.insert(dims.begin(), *dim);
    rest /= *dim;
    if (rest == 1) return dims;
  }
  return {};
}

// The constant as it broadcasts onto `from`, if it does so as it does onto `to`.
std::optional<Tensor> below_reshape(const Tensor& constant, const Shape& from, const Shape& to) {
  std::vector<int64_t> dims = constant.dims();
  if (std::ssize(dims) > std::ssize(to) || constant.dtype() == DType::string) return std::nullopt;
  while (!dims.empty() && dims.front() == 1) dims.erase(dims.begin());
  bool kept = dims.size() <= from.size();
  for (size_t back = 1; kept && back <= dims.size(); ++back)
    kept = equal(from[from.size() - back], to[to.size() - back]) == Tri::yes;
  if (kept) return constant.reshaped(dims);
  const std::vector<int64_t> parts = made_of_last(from, to);
  if (parts.size() < dims.size()) return std::nullopt;
  const Tensor all = compute(op("expand_to", {{1, "shape", dim_texts(Shape(parts.begin(), parts.end()))}}),
                             std::vector<Tensor>{constant.reshaped(dims)});
  return all.reshaped({all.size()});
}

Outcome sink(Graph& graph, const Match& m, const PassContext&) {
  const Node node = *graph.producer(m.root());
  if (!node.op || !node.epilogue.empty() || !node.op.info().pointwise) return Outcome::no();
  std::optional<Shape> from, to;
  std::vector<ValueId> inputs = node.inputs;
  std::vector<std::pair<size_t, Tensor>> constants;
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
    } else if (graph.value(input).is_constant()) {
      constants.emplace_back(&input - inputs.data(), graph.value(input).info.constant);
    } else if (!one_element(graph.type(input)) || graph.type(input).rank() > 1) {
      return Outcome::no();
    }
  }
  // A rank of 0 below would take the rank of a one-element operand.
  if (!from || from->empty() || !same_shape(*to, graph.shape(m.root()))) return Outcome::no();
  for (auto& [index, constant] : constants) {
    const std::optional<Tensor> fitting = below_reshape(constant, *from, *to);
    if (!fitting) return Outcome::no();
    constant = *fitting;
  }
  for (const auto& [index, constant] : constants) {
    if (constant.dims() != graph.value(inputs[index]).info.constant.dims())
      inputs[index] = graph.add_constant(constant);
  }
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
