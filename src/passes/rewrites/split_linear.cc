// SPDX-License-Identifier: Apache-2.0
// split(conv(x, w, b))       =>  conv(x, w1, b1), conv(x, w2, b2), ...      along the channels, w and b constant
// split(matmul(x, w) + b)    =>  matmul(x, w1) + b1, matmul(x, w2) + b2, ...     along the last axis
// conv(x, w, b)[:, i:j]      =>  conv(x, w[i:j], b[i:j])        where it is only used by such slices, none of which
// overlap;
//                                                               products likewise
//
// The parts of a gated unit then meet in the epilogue of the last of them, and nothing is copied. Each element is the
// same sum as before; x is read once more, which its product with the weights hides.
#include <algorithm>

#include "ops/conv.h"
#include "ops/dim_texts.h"
#include "passes/edit.h"
#include "passes/parts.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

constexpr size_t kMostParts = 4;  // narrow products are slow

Tensor part(const Tensor& tensor, int64_t axis, int64_t start, int64_t length) {
  return compute(op("slice_to", {{1, "axes", std::vector<int64_t>{axis}},
                                 {2, "starts", dim_texts({Dim(start)})},
                                 {3, "ends", dim_texts({Dim(start + length)})},
                                 {4, "steps", std::vector<int64_t>{1}}}),
                 std::vector<Tensor>{tensor});
}

// The layer whose result is split: its node, its weights and the axis of their outputs, its bias where it has one.
struct Layer {
  Node node;
  Tensor weights, bias;
  int64_t output_axis = 0;
  bool adds = false;  // the bias is a node of its own
};

// `id` is used by what splits it alone.
std::optional<Layer> layer_of(const Graph& graph, ValueId id, int64_t axis) {
  const Node* node = graph.producer(id);
  const int64_t rank = graph.type(id).rank();
  if (!node || !node->op || !node->epilogue.empty()) return std::nullopt;
  const auto constant = [&](ValueId v) { return v == kAbsent ? Tensor() : graph.value(v).info.constant; };
  Layer layer;
  if (const Conv* conv = node->op.get_if<Conv>()) {
    layer = {*node, constant(node->inputs[1]), node->inputs.size() > 2 ? constant(node->inputs[2]) : Tensor(), 0};
    const bool known =
        layer.weights.present() && layer.bias.present() == (node->inputs.size() > 2 && node->inputs[2] != kAbsent);
    if (axis != 1 || conv->group != 1 || conv->channels_last || !known) return std::nullopt;
    return layer;
  }
  if (axis + 1 != rank) return std::nullopt;
  if (node->is("add")) {
    const size_t bias = graph.value(node->inputs[0]).is_constant() ? 0 : 1;
    layer.bias = constant(node->inputs[bias]);
    layer.adds = true;
    const ValueId product = node->inputs[1 - bias];
    node = graph.producer(product);
    if (!layer.bias.present() || !node || !graph.single_use(product) || graph.type(product).rank() != rank ||
        layer.bias.rank() < 1 || layer.bias.size() != layer.bias.dims().back()) {
      return std::nullopt;
    }
  }
  if (!node->is("matmul") || !node->epilogue.empty()) return std::nullopt;
  layer.node = *node;
  layer.weights = constant(node->inputs[1]);
  if (!layer.weights.present() || layer.weights.rank() != 2) return std::nullopt;
  layer.output_axis = 1;
  if (layer.adds && layer.bias.size() != layer.weights.dims()[1]) return std::nullopt;
  return layer;
}

// The layer's outputs [start, start + length).
ValueId part_of_layer(Graph& graph, const Layer& layer, int64_t start, int64_t length) {
  std::vector<ValueId> inputs = layer.node.inputs;
  inputs[1] = graph.add_constant(part(layer.weights, layer.output_axis, start, length));
  if (!layer.adds && layer.bias.present()) inputs[2] = graph.add_constant(part(layer.bias, 0, start, length));
  const ValueId made = graph.add1(layer.node.op, inputs);
  if (!layer.adds) return made;
  return graph.add1(op("add"), {made, graph.add_constant(part(layer.bias, layer.bias.rank() - 1, start, length))});
}

// Do all users of the value cut other parts along the axis out of it?
bool cut_apart(const Graph& graph, ValueId id, int64_t axis) {
  std::vector<std::pair<int64_t, int64_t>> parts;
  if (graph.is_output(id)) return false;
  for (NodeId user : graph.value(id).users) {
    const Node& node = graph.node(user);
    const std::optional<Part> part = node.is("slice_to") ? part_of(graph, node.outputs[0], axis) : std::nullopt;
    if (!part || part->step != 1 || part->end == part->start) return false;
    parts.emplace_back(part->start, part->end);
  }
  std::sort(parts.begin(), parts.end());
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    if (parts[i].second > parts[i + 1].first) return false;
  }
  return parts.size() <= kMostParts;
}

Outcome cut_out(Graph& graph, const Match& m, const PassContext&) {
  const ValueId whole = m["x"];
  const int64_t rank = graph.type(whole).rank(), axis = graph.producer(whole)->is("conv") ? 1 : rank - 1;
  const std::optional<Layer> layer = rank < 2 ? std::nullopt : layer_of(graph, whole, axis);
  if (!layer || !cut_apart(graph, whole, axis)) return Outcome::no();
  const Part part = *part_of(graph, m.root(), axis);
  return part_of_layer(graph, *layer, part.start, part.end - part.start);
}

Outcome apart(Graph& graph, const Match& m, const PassContext&) {
  const Node split = *graph.producer(m.root());
  const int64_t rank = graph.type(split.inputs[0]).rank();
  if (rank < 2 || split.outputs.size() > kMostParts) return Outcome::no();
  const auto given = field_of<int64_t>(split.op, "axis");
  const int64_t axis = given < 0 ? given + rank : given;
  const std::optional<Layer> layer =
      graph.single_use(split.inputs[0]) ? layer_of(graph, split.inputs[0], axis) : std::nullopt;
  if (!layer) return "what is split is no layer with constant weights, or is used elsewhere too";
  std::vector<int64_t> lengths;
  for (ValueId output : split.outputs) {
    const std::optional<int64_t> length = graph.shape(output)[static_cast<size_t>(axis)].constant();
    if (!length || *length == 0) return Outcome::no();
    lengths.push_back(*length);
  }
  int64_t start = 0;
  for (size_t i = 0; i < lengths.size(); ++i) {
    graph.replace_uses(split.outputs[i], part_of_layer(graph, *layer, start, lengths[i]));
    start += lengths[i];
  }
  return Outcome::in_place();
}

}  // namespace

Pass split_linear() {
  return rewrite_pass(
      "split_linear",
      {{"apart", node("split"), apart},
       {"cut", node("slice_to", {either({node("conv"), node("matmul"), node("add")}).as("x")}), cut_out}});
}

}  // namespace mj
