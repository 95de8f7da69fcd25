// SPDX-License-Identifier: Apache-2.0
#include "passes/affine.h"

#include <cmath>

#include "ops/conv.h"
#include "passes/edit.h"
#include "passes/weights.h"

namespace mj {
namespace {

const Tensor& constant_input(const Graph& graph, const Node& node, size_t i) {
  static const Tensor kNone;
  return i < node.inputs.size() && node.inputs[i] != kAbsent ? graph.value(node.inputs[i]).info.constant : kNone;
}

}  // namespace

std::optional<Affine> batch_norm_affine(const Graph& graph, const Node& node) {
  if (node.inputs.size() != 5 || node.outputs.size() != 1) return std::nullopt;
  std::vector<std::vector<double>> v;
  for (size_t i = 1; i < 5; ++i) {
    const Tensor& tensor = constant_input(graph, node, i);
    if (!tensor.present() || !is_float(tensor.dtype())) return std::nullopt;
    v.push_back(tensor.to_f64());
  }
  const auto& [scale, bias, mean, variance] = std::tie(v[0], v[1], v[2], v[3]);
  const double epsilon = static_cast<double>(field_of<float>(node.op, "epsilon"));
  Affine affine;
  for (size_t c = 0; c < scale.size(); ++c) {
    const double s = scale[c] / std::sqrt(variance[c] + epsilon);
    affine.s.push_back(s);
    affine.t.push_back(bias[c] - mean[c] * s);
  }
  return affine;
}

int64_t conv_channel_axis(const Graph& graph, const Node& conv) {
  return conv.op.get_if<Conv>()->channels_last ? graph.type(conv.outputs[0]).rank() - 1 : 1;
}

std::string refuses_conv(const Graph& graph, const Node& conv) {
  const Tensor& weights = constant_input(graph, conv, 1);
  if (!weights.present()) return "the weights are not constant";
  if (!is_float(weights.dtype())) return "the weights are not floating point";
  const bool has_bias = conv.inputs.size() > 2 && conv.inputs[2] != kAbsent;
  if (has_bias && !constant_input(graph, conv, 2).present()) return "the bias is not constant";
  return "";
}

ValueId fold_into_conv(Graph& graph, const Node& node, const Affine& affine) {
  const Node conv = node;  // adding nodes moves the original
  const Tensor weights = constant_input(graph, conv, 1);
  const auto channels = static_cast<int64_t>(affine.s.size());
  std::vector<double> bias = values_or_zeros(constant_input(graph, conv, 2), channels);
  for (size_t c = 0; c < bias.size(); ++c) bias[c] = bias[c] * affine.s[c] + affine.t[c];
  const ValueId w = graph.add_constant(graph.value(conv.inputs[1]).name, scaled(weights, 0, affine.s));
  const ValueId b = graph.add_constant("bias", vector_of(weights.dtype(), bias));
  return graph.add1(conv.op, {conv.inputs[0], w, b});
}

}  // namespace mj
