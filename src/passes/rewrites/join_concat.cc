// SPDX-License-Identifier: Apache-2.0
// concat(concat(x, y), z)              =>  concat(x, y, z)           along the same axis, where nobody else needs the
// inner concat(x[0:k], x[k:n], y)            =>  concat(x[0:n], y)         slices or split parts that lie side by side
//
// Each element is copied once; eliminate_identity drops a slice of all there is.
#include "ops/concat.h"
#include "ops/dim_texts.h"
#include "passes/edit.h"
#include "passes/parts.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

int64_t axis_of(const Graph& graph, const Node& node) {
  const auto axis = field_of<int64_t>(node.op, "axis");
  return axis < 0 ? axis + graph.type(node.outputs[0]).rank() : axis;
}

Outcome flatten(Graph& graph, const Match& m, const PassContext&) {
  const Node node = *graph.producer(m.root());
  if (graph.type(m.root()).rank() < 1) return Outcome::no();
  const int64_t axis = axis_of(graph, node);
  std::vector<ValueId> inputs;
  for (ValueId input : node.inputs) {
    const Node* inner = graph.producer(input);
    if (inner && inner->is("concat") && graph.single_use(input) && axis_of(graph, *inner) == axis) {
      inputs.insert(inputs.end(), inner->inputs.begin(), inner->inputs.end());
    } else {
      inputs.push_back(input);
    }
  }
  if (inputs.size() == node.inputs.size()) return Outcome::no();
  return graph.add1(node.op, inputs);
}

Outcome join(Graph& graph, const Match& m, const PassContext&) {
  const Node node = *graph.producer(m.root());
  if (graph.type(m.root()).rank() < 1) return Outcome::no();
  const int64_t axis = axis_of(graph, node);
  for (size_t i = 0; i + 1 < node.inputs.size(); ++i) {
    const std::optional<Part> a = part_of(graph, node.inputs[i], axis), b = part_of(graph, node.inputs[i + 1], axis);
    if (!a || !b || a->source != b->source || a->end != b->start || a->step != 1 || b->step != 1) continue;
    std::vector<ValueId> inputs = node.inputs;
    inputs.erase(inputs.begin() + static_cast<std::ptrdiff_t>(i));
    inputs[i] = graph.add1(op("slice_to", {{1, "axes", std::vector<int64_t>{axis}},
                                           {2, "starts", dim_texts({Dim(a->start)})},
                                           {3, "ends", dim_texts({Dim(b->end)})},
                                           {4, "steps", std::vector<int64_t>{1}}}),
                           {a->source});
    return graph.add1(node.op, inputs);
  }
  return Outcome::no();
}

}  // namespace

Pass join_concat() {
  return rewrite_pass("join_concat", {{"flatten", node("concat"), flatten}, {"join", node("concat"), join}});
}

}  // namespace mj
