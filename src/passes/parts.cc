// SPDX-License-Identifier: Apache-2.0
#include "passes/parts.h"

#include "ops/dim_texts.h"
#include "passes/edit.h"

namespace mj {

std::optional<Part> part_of(const Graph& graph, ValueId id, int64_t axis) {
  const Node* node = graph.producer(id);
  const int64_t rank = graph.type(id).rank();
  const auto d = static_cast<size_t>(axis);
  if (!node || !node->op || (!node->is("split") && !node->is("slice_to")) || !graph.type(node->inputs[0]).shape) {
    return std::nullopt;
  }
  const auto wrapped = [&](int64_t given) { return given < 0 ? given + rank : given; };
  if (node->is("split")) {
    if (wrapped(field_of<int64_t>(node->op, "axis")) != axis) return std::nullopt;
    int64_t start = 0;
    for (ValueId output : node->outputs) {
      const std::optional<int64_t> length = graph.shape(output)[d].constant();
      if (!length) return std::nullopt;
      if (output == id) return Part{node->inputs[0], start, start + *length};
      start += *length;
    }
    return std::nullopt;
  }
  const auto axes = field_of<std::vector<int64_t>>(node->op, "axes"),
             steps = field_of<std::vector<int64_t>>(node->op, "steps");
  const std::optional<int64_t> length = graph.shape(id)[d].constant();
  const int64_t step = steps.empty() ? 1 : steps[0];
  if (axes.size() != 1 || wrapped(axes[0]) != axis || !length || step < 1) return std::nullopt;
  const Result<Dim> start = Dim::parse(field_of<DimTexts>(node->op, "starts")[0]);
  if (!start.ok() || !start->constant() || *start->constant() < 0) return std::nullopt;
  return Part{node->inputs[0], *start->constant(), *start->constant() + *length * step, step};
}

}  // namespace mj
