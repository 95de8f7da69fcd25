// SPDX-License-Identifier: Apache-2.0
#include "passes/conv_forms.h"

#include <algorithm>

#include "base/checked.h"
#include "ops/conv.h"
#include "passes/edit.h"

namespace mj {
namespace {

bool each_is(const std::vector<int64_t>& list, int64_t number) {
  return std::all_of(list.begin(), list.end(), [&](int64_t x) { return x == number; });
}

const Conv* f32_2d(const Graph& graph, const Node& node) {
  const Conv* conv = node.op.get_if<Conv>();
  if (!conv || !conv->channels_last) return nullptr;
  const Tensor& weights = graph.value(node.inputs[1]).info.constant;
  return weights.present() && weights.dtype() == DType::f32 && weights.rank() == 4 ? conv : nullptr;
}

}  // namespace

bool is_pixelwise_conv(const Graph& graph, const Node& node) {
  const Conv* conv = f32_2d(graph, node);
  if (!conv) return false;
  const std::vector<int64_t>& dims = graph.value(node.inputs[1]).info.constant.dims();
  return conv->group == 1 && dims[2] == 1 && dims[3] == 1 && each_is(conv->strides, 1) && each_is(conv->pads, 0);
}

bool is_depthwise_conv(const Graph& graph, const Node& node) {
  const Conv* conv = f32_2d(graph, node);
  if (!conv) return false;
  const std::vector<int64_t>& dims = graph.value(node.inputs[1]).info.constant.dims();
  return conv->group > 1 && dims[0] == conv->group && dims[1] == 1;
}

ValueId anchor_input(const Node& node, size_t i) {
  const size_t own = node.epilogue.empty() ? node.inputs.size() : static_cast<size_t>(node.anchor_inputs);
  return i < own ? node.inputs[i] : kAbsent;
}

void replace_with_epilogue(Graph& graph, Node fused, NodeId id) {
  const Node last = graph.node(id);
  if (!last.epilogue.empty()) {
    fused.anchor_inputs = static_cast<int>(fused.inputs.size());
    fused.inputs.insert(fused.inputs.end(), last.inputs.begin() + last.anchor_inputs, last.inputs.end());
    fused.epilogue = last.epilogue;
  }
  const std::vector<ValueId> made = graph.add_typed(std::move(fused), {graph.value(last.outputs[0]).info});
  graph.replace_uses(last.outputs[0], made[0]);
  erase_dead(graph, id);
}

std::optional<int64_t> sample_bytes(const Shape& shape) {
  int64_t bytes = sizeof(float);
  for (size_t d = 1; d < shape.size(); ++d) {
    const std::optional<int64_t> dim = shape[d].constant();
    const std::optional<int64_t> product = dim ? checked_mul(bytes, *dim) : std::nullopt;
    if (!product) return std::nullopt;
    bytes = *product;
  }
  return bytes;
}

}  // namespace mj
