// SPDX-License-Identifier: Apache-2.0
// f(dequantize(x))         =>  dequantize(f(x))     for f that picks or moves elements, with one scale and zero point
// quantize(dequantize(x))  =>  x                    with the same scale and zero point
// Both are exact: dequantizing grows with x, and a quotient of f32 that was an integer below 2^16 times the divisor
// rounds back to that integer.
#include <array>

#include "ops/quantize.h"
#include "ops/quantized.h"
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

constexpr std::array<std::string_view, 6> kMoves = {"max_pool",   "transpose", "reshape",
                                                    "reshape_to", "squeeze",   "unsqueeze"};

// The producer, if it takes bytes to f32 by one known scale.
const Node* dequantize_of(const Graph& graph, ValueId id) {
  const Node* node = id == kAbsent ? nullptr : graph.producer(id);
  if (!node || !node->is("dequantize_linear") || !is_byte(graph.type(node->inputs[0]).dtype)) return nullptr;
  const Value& scale = graph.value(node->inputs[1]);
  const bool one = scale.is_constant() && scale.info.constant.size() == 1;
  // A negative scale would turn the order of the elements round.
  return one && scale.info.constant.to_f64()[0] > 0 ? node : nullptr;
}

Outcome move_dequantize(Graph& graph, const Match& m, const PassContext&) {
  const Node node = *graph.producer(m.root());
  if (!node.op || node.outputs.size() != 1 || node.inputs.empty()) return Outcome::no();
  if (std::find(kMoves.begin(), kMoves.end(), node.op.name()) == kMoves.end()) return Outcome::no();
  const Node* found = dequantize_of(graph, node.inputs[0]);
  if (!found) return Outcome::no();
  const Node dequantize = *found;
  std::vector<ValueId> inputs = node.inputs;
  inputs[0] = dequantize.inputs[0];
  std::vector<ValueId> scaled = dequantize.inputs;
  scaled[0] = graph.add1(node.op, inputs);
  return graph.add1(dequantize.op, scaled);
}

bool same_numbers(const Graph& graph, const Node& a, const Node& b, size_t input) {
  const auto number = [&](const Node& node) -> std::optional<double> {
    if (node.inputs.size() <= input || node.inputs[input] == kAbsent) return 0;
    const Tensor& tensor = graph.value(node.inputs[input]).info.constant;
    return tensor.present() ? scalar_value(tensor) : std::nullopt;
  };
  const std::optional<double> x = number(a), y = number(b);
  return x && x == y;
}

Outcome cancel(Graph& graph, const Match& m, const PassContext&) {
  const Node& quantize = *graph.producer(m.root());
  const Node* dequantize = dequantize_of(graph, quantize.inputs[0]);
  if (!dequantize || graph.type(m.root()).dtype != graph.type(dequantize->inputs[0]).dtype) return Outcome::no();
  if (graph.type(quantize.inputs[0]).dtype != DType::f32) return Outcome::no();
  if (!same_numbers(graph, quantize, *dequantize, 1)) return "the scales differ";
  if (!same_numbers(graph, quantize, *dequantize, 2)) return "the zero points differ";
  return dequantize->inputs[0];
}

}  // namespace

Pass sink_dequantize() {
  return rewrite_pass("sink_dequantize",
                      {{"cancel", node("quantize_linear"), cancel}, {"sink", any(), move_dequantize}});
}

}  // namespace mj
