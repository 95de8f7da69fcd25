// SPDX-License-Identifier: Apache-2.0
// f(constants)  =>  constant      by the reference kernel, the one that also runs and verifies
// A result with contents that are all known becomes a constant too, whatever it was computed from.
#include <fmt/format.h>

#include <algorithm>

#include "base/shape.h"
#include "passes/edit.h"
#include "passes/passes.h"

namespace mj {
namespace {

int64_t bytes_of(const Type& type) {
  if (!type.shape || type.kind != Type::Kind::tensor) return INT64_MAX;
  const std::optional<int64_t> elements = element_count(*type.shape).constant();
  int64_t bytes = 0;
  if (!elements || __builtin_mul_overflow(*elements, storage_bytes(type.dtype), &bytes)) return INT64_MAX;
  return bytes;
}

bool all_constant(const Graph& graph, const Node& node) {
  return std::all_of(node.inputs.begin(), node.inputs.end(),
                     [&](ValueId id) { return id == kAbsent || graph.value(id).is_constant(); });
}

// An integer tensor of rank 0 or 1 from its known contents.
std::optional<Tensor> from_contents(const ValueInfo& info) {
  const std::optional<std::vector<int64_t>> elements = info.contents ? info.known_elements() : std::nullopt;
  if (!elements || info.type.rank() < 0 || info.type.rank() > 1) return std::nullopt;
  std::vector<int64_t> dims;
  if (info.type.rank() == 1) dims.push_back(std::ssize(*elements));
  Tensor tensor = Tensor::zeros(info.type.dtype, dims);
  dispatch(info.type.dtype, [&]<class T>() {
    if constexpr (std::is_integral_v<T>) {
      for (size_t i = 0; i < elements->size(); ++i) {
        static_cast<T*>(tensor.mutable_raw())[i] = static_cast<T>((*elements)[i]);
      }
    }
  });
  return tensor;
}

bool replace_by_constant(Graph& graph, ValueId id, Tensor tensor) {
  if (graph.value(id).users.empty() && !graph.is_output(id)) return false;
  graph.replace_uses(id, graph.add_constant(graph.value(id).name, std::move(tensor)));
  return true;
}

Result<bool> fold(Graph& graph, NodeId id, const PassContext& context) {
  const Node& node = graph.node(id);
  if (!node.regions.empty() || !node.op || !node.epilogue.empty() || node.op.name().starts_with("random")) return false;
  if (!node.op.pure()) return false;
  const std::vector<ValueId> outputs = node.outputs;
  bool changed = false;
  for (ValueId output : outputs) {
    const std::optional<Tensor> known = from_contents(graph.value(output).info);
    if (known) changed |= replace_by_constant(graph, output, *known);
  }
  if (changed || !all_constant(graph, node)) return changed;

  int64_t in = 0, out = 0;
  for (ValueId input : node.inputs) in += input == kAbsent ? 0 : graph.value(input).info.constant.bytes();
  for (ValueId output : outputs) {
    const int64_t bytes = bytes_of(graph.type(output));
    out = bytes == INT64_MAX ? bytes : out + bytes;
    if (out == INT64_MAX) return false;  // its shape is for running to tell
  }
  // A factor of 4 lets quantized weights become f32.
  if (out > std::max(4 * in, context.max_fold_bytes)) {
    context.why_not(graph, node, fmt::format("folding would make {} bytes from {}", out, in));
    return false;
  }
  std::vector<Tensor> inputs;
  for (ValueId input : node.inputs) inputs.push_back(input == kAbsent ? Tensor() : graph.value(input).info.constant);
  Result<std::vector<Tensor>> results = evaluate(node.op, inputs, static_cast<int>(outputs.size()));
  if (!results.ok() && node.op.info().bind) return false;  // its sizes wait for symbols
  if (!results.ok()) return results.error().in(node.origin.empty() ? graph.value(outputs[0]).name : node.origin[0]);
  for (size_t i = 0; i < outputs.size(); ++i) {
    if ((*results)[i].present()) changed |= replace_by_constant(graph, outputs[i], std::move((*results)[i]));
  }
  return changed;
}

}  // namespace

Pass fold_constants() {
  return {"fold_constants", [](Graph& graph, const PassContext& context) -> Result<bool> {
            bool changed = false;
            for (NodeId id : graph.order()) {
              MJ_ASSIGN(const bool folded, fold(graph, id, context));
              changed |= folded;
              erase_dead(graph, id);
            }
            return changed;
          }};
}

}  // namespace mj
