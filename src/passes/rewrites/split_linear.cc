// SPDX-License-Identifier: Apache-2.0
// split(conv(x, w, b))       =>  conv(x, w1, b1), conv(x, w2, b2), ...      along the channels, w and b constant
// split(matmul(x, w) + b)    =>  matmul(x, w1) + b1, matmul(x, w2) + b2, ...     along the last axis
//
// The parts of a gated unit then meet in the epilogue of the last of them, and nothing is copied. Each element is the
// same sum as before; x is read once more, which its product with the weights hides.
#include "ops/conv.h"
#include "ops/dim_texts.h"
#include "passes/edit.h"
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

std::optional<Layer> layer_of(const Graph& graph, ValueId id, int64_t axis) {
  const Node* node = graph.producer(id);
  const int64_t rank = graph.type(id).rank();
  if (!node || !node->op || !node->epilogue.empty() || !graph.single_use(id)) return std::nullopt;
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

Outcome apart(Graph& graph, const Match& m, const PassContext&) {
  const Node split = *graph.producer(m.root());
  const int64_t rank = graph.type(split.inputs[0]).rank();
  if (rank < 2 || split.outputs.size() > kMostParts) return Outcome::no();
  const auto given = field_of<int64_t>(split.op, "axis");
  const int64_t axis = given < 0 ? given + rank : given;
  const std::optional<Layer> layer = layer_of(graph, split.inputs[0], axis);
  if (!layer) return "what is split is no layer with constant weights, or is used elsewhere too";
  std::vector<int64_t> lengths;
  for (ValueId output : split.outputs) {
    const std::optional<int64_t> length = graph.shape(output)[static_cast<size_t>(axis)].constant();
    if (!length || *length == 0) return Outcome::no();
    lengths.push_back(*length);
  }
  int64_t start = 0;
  for (size_t i = 0; i < lengths.size(); ++i) {
    std::vector<ValueId> inputs = layer->node.inputs;
    inputs[1] = graph.add_constant(part(layer->weights, layer->output_axis, start, lengths[i]));
    const bool own_bias = !layer->adds && layer->bias.present();
    if (own_bias) inputs[2] = graph.add_constant(part(layer->bias, 0, start, lengths[i]));
    ValueId made = graph.add1(layer->node.op, inputs);
    if (layer->adds) {
      const Tensor bias = part(layer->bias, layer->bias.rank() - 1, start, lengths[i]);
      made = graph.add1(op("add"), {made, graph.add_constant(bias)});
    }
    graph.replace_uses(split.outputs[i], made);
    start += lengths[i];
  }
  return Outcome::in_place();
}

}  // namespace

Pass split_linear() { return rewrite_pass("split_linear", {{"apart", node("split"), apart}}); }

}  // namespace mj
