// SPDX-License-Identifier: Apache-2.0
#include "compile/shaken.h"

#include <algorithm>
#include <array>
#include <random>

#include "ops/quantized.h"

namespace mj {
namespace {

// Operators that change no number.
constexpr std::array<std::string_view, 8> kMoves = {"identity", "transpose", "reshape",  "reshape_to",
                                                    "squeeze",  "unsqueeze", "slice_to", "dequantize_linear"};

bool is_maths(const Graph& graph, ValueId id) {
  for (const Node* node = graph.producer(id); node; node = graph.producer(node->inputs[0])) {
    if (!node->op || std::find(kMoves.begin(), kMoves.end(), node->op.name()) == kMoves.end()) return true;
    if (node->is("dequantize_linear")) return false;
  }
  return false;
}

}  // namespace

bool rounds_maths(const Graph& graph) {
  for (NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (node.is("quantize_linear") && is_maths(graph, node.inputs[0])) return true;
    if (std::any_of(node.regions.begin(), node.regions.end(), rounds_maths)) return true;
  }
  return false;
}

Plan shaken(const Plan& plan, uint64_t seed) {
  Plan result = plan;
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (PlanTensor& tensor : result.tensors) {
    if (tensor.kind != PlanTensor::Kind::constant || tensor.dtype != DType::f32) continue;
    Tensor copy = Tensor::zeros(DType::f32, tensor.constant.dims());
    const std::span<const float> from = tensor.constant.data<float>();
    std::transform(from.begin(), from.end(), copy.mutable_data<float>().begin(),
                   [&](float x) { return x * (1 + 0x1p-20f * uniform(random)); });
    tensor.constant = std::move(copy);
  }
  return result;
}

}  // namespace mj
