// SPDX-License-Identifier: Apache-2.0
// f(concat(x, y, ...))  =>  concat(f(x), f(y), ...)     pointwise f of one operand and numbers, where every part comes
// from a layer or from pointwise maths that nobody else needs, and so takes f along
#include <algorithm>
#include <array>

#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

// Will f become part of what makes the value?
bool takes_along(const Graph& graph, ValueId id) {
  constexpr std::array<std::string_view, 3> kLayers = {"conv", "gemm", "matmul"};
  const Node* node = graph.producer(id);
  while (node && node->is("reshape_to") && graph.single_use(id)) {
    id = node->inputs[0];
    node = graph.producer(id);
  }
  if (!node || !graph.single_use(id) || graph.type(id).dtype != DType::f32) return false;
  return node->is_pointwise() || std::find(kLayers.begin(), kLayers.end(), node->op.name()) != kLayers.end();
}

Outcome past(Graph& graph, const Match& m, const PassContext&) {
  const Node node = *graph.producer(m.root());
  if (!node.op || !node.epilogue.empty() || !node.op.info().pointwise || node.outputs.size() != 1) return Outcome::no();
  const auto is_concat = [&](ValueId id) {
    const Node* producer = id == kAbsent ? nullptr : graph.producer(id);
    return producer && producer->is("concat");
  };
  const auto at = std::find_if(node.inputs.begin(), node.inputs.end(), is_concat);
  if (at == node.inputs.end() || !graph.single_use(*at) || graph.type(m.root()).dtype != DType::f32 ||
      graph.type(*at).rank() != graph.type(m.root()).rank()) {
    return Outcome::no();
  }
  const auto operand = static_cast<size_t>(at - node.inputs.begin());
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (i == operand || node.inputs[i] == kAbsent) continue;
    const Value& value = graph.value(node.inputs[i]);
    if (!value.is_constant() || value.info.constant.size() != 1) return Outcome::no();
  }
  const Node concat = *graph.producer(*at);
  if (!std::all_of(concat.inputs.begin(), concat.inputs.end(), [&](ValueId id) { return takes_along(graph, id); }))
    return "a part comes from neither a layer nor pointwise maths, or is used elsewhere too";
  std::vector<ValueId> parts;
  for (ValueId part : concat.inputs) {
    std::vector<ValueId> inputs = node.inputs;
    inputs[operand] = part;
    parts.push_back(graph.add1(node.op, inputs, node.origin));
  }
  return graph.add1(concat.op, parts);
}

}  // namespace

Pass pointwise_past_concat() { return rewrite_pass("pointwise_past_concat", {{"past", any(), past}}); }

}  // namespace mj
