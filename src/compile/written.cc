// SPDX-License-Identifier: Apache-2.0
#include "compile/written.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "compile/shaken.h"
#include "ops/quantized.h"
#include "passes/pipeline.h"

namespace mj {
namespace {

// Regions are shallow: rounding, clamp, bias, product, dequantizing and what computes a bias.
constexpr int kMaxDepth = 8;

// A second copy of the f32 maths above a value, down to what is not f32. Nothing where that is not all of a region.
class Copy {
 public:
  explicit Copy(Graph& graph) : graph_(graph) {}

  std::optional<ValueId> of(ValueId id, int depth = kMaxDepth) {
    if (id == kAbsent || graph_.value(id).is_constant() || graph_.type(id).dtype != DType::f32) return id;
    if (const auto known = copies_.find(id); known != copies_.end()) return known->second;
    const Node* producer = graph_.producer(id);
    if (!producer || !producer->op || !producer->regions.empty() || producer->outputs.size() != 1 || depth == 0) {
      return std::nullopt;
    }
    const Node node = *producer;
    std::vector<ValueId> inputs;
    for (ValueId input : node.inputs) {
      const std::optional<ValueId> copy = of(input, depth - 1);
      if (!copy) return std::nullopt;
      inputs.push_back(*copy);
    }
    return copies_[id] = graph_.add1(node.op, inputs, node.origin);
  }

 private:
  Graph& graph_;
  std::map<ValueId, ValueId> copies_;
};

bool is_defined(const Graph& graph, ValueId id) {
  const Node* node = graph.producer(id);
  while (node && node->is("identity")) node = graph.producer(node->inputs[0]);
  return node && node->op && node->op.name().starts_with("quantized_");
}

}  // namespace

Result<Written> with_written(const Graph& model) {
  Written written{model, {}, false};
  Graph& graph = written.graph;
  const size_t own = graph.outputs.size();
  std::vector<std::string> names;
  for (NodeId id : model.order()) {
    const Node& node = model.node(id);
    if (!node.is("quantize_linear") || !is_byte(model.type(node.outputs[0]).dtype)) continue;
    Copy copy(graph);
    const std::optional<ValueId> rounded = copy.of(node.inputs[0]);
    if (!rounded || *rounded == node.inputs[0]) continue;
    std::vector<ValueId> inputs = node.inputs;
    inputs[0] = *rounded;
    // What is rounded is an output as well: the copy stays as it is, since nothing may take it into itself.
    const ValueId twin = graph.add1(node.op, inputs);
    for (ValueId output : {node.outputs[0], twin, *rounded}) graph.outputs.push_back(output);
    names.push_back(model.value(node.outputs[0]).name);
  }
  MJ_TRY(define_quantized(graph, {}));
  std::vector<ValueId> outputs(graph.outputs.begin(), graph.outputs.begin() + static_cast<std::ptrdiff_t>(own));
  for (size_t i = 0; i < names.size(); ++i) {
    const ValueId* region = &graph.outputs[own + 3 * i];
    if (!is_defined(graph, region[0])) continue;
    outputs.insert(outputs.end(), region, region + 3);
    written.regions.push_back(names[i]);
  }
  Graph plain = graph;
  plain.outputs.resize(own);
  plain.normalize();
  written.rounds_maths = rounds_maths(plain);
  graph.outputs = std::move(outputs);
  graph.normalize();
  return written;
}

Result<void> check_written(const Written& written, std::vector<Tensor>& outputs) {
  const size_t own = outputs.size() - 3 * written.regions.size();
  for (size_t i = 0; i < written.regions.size(); ++i) {
    const std::vector<int64_t> integers = outputs[own + 3 * i].to_i64(), floats = outputs[own + 3 * i + 1].to_i64();
    for (size_t k = 0; k < integers.size(); ++k) {
      if (std::abs(integers[k] - floats[k]) <= 1) continue;
      return model_error(
          "'{}' is {} in integers and {} as the model wrote it, which is more than a rounding; no engine was written. "
          "MJ_PASSES=-recognize_quantized computes it as written",
          written.regions[i], integers[k], floats[k]);
    }
  }
  outputs.resize(own);
  return {};
}

}  // namespace mj
