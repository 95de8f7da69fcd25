// SPDX-License-Identifier: Apache-2.0
// f(x), f(x)  =>  f(x) once      for the same operator, fields and inputs, and results of the same type; equal
// constants are one constant
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "base/hash64.h"
#include "passes/passes.h"

namespace mj {
namespace {

// Random numbers differ from call to call; regions are compared nowhere yet.
bool comparable(const Node& node) {
  return node.regions.empty() && !node.op.name().starts_with("random") && node.op.pure();
}

std::string key(const Node& node) {
  std::string text = node.op ? to_string(node.op) : "pointwise";
  for (ValueId input : node.inputs) text += fmt::format(" {}", input);
  return text +
         fmt::format(" {} {}", node.outputs.size(), node.epilogue.params.empty() ? "" : to_string(node.epilogue));
}

// Hashing hundreds of megabytes of weights would cost more than finding two alike could gain; those that share their
// bytes are one all the same.
constexpr int64_t kMaxHashedBytes = 1 << 16;

uint64_t hash_of(const Tensor& tensor) {
  if (tensor.bytes() > kMaxHashedBytes) return std::hash<const void*>()(tensor.raw());
  return hash64({static_cast<const std::byte*>(tensor.raw()), static_cast<size_t>(tensor.bytes())});
}

bool merge_constants(Graph& graph) {
  std::unordered_map<uint64_t, std::vector<ValueId>> by_hash;
  bool changed = false;
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    const Value& value = graph.value(id);
    if (!value.is_constant() || value.users.empty()) continue;
    const Tensor& tensor = value.info.constant;
    if (tensor.dtype() == DType::string) continue;
    std::vector<ValueId>& same = by_hash[hash_of(tensor)];
    const auto found = std::find_if(same.begin(), same.end(),
                                    [&](ValueId other) { return identical(graph.value(other).info.constant, tensor); });
    if (found == same.end()) {
      same.push_back(id);
    } else if (!graph.is_output(id)) {
      graph.replace_uses(id, *found);
      changed = true;
    }
  }
  return changed;
}

}  // namespace

Pass common_subexpressions() {
  return {"common_subexpressions", [](Graph& graph, const PassContext&) -> Result<bool> {
            bool changed = merge_constants(graph);
            std::map<std::string, NodeId> first;
            for (NodeId id : graph.order()) {
              const Node& node = graph.node(id);
              if (!comparable(node)) continue;
              const auto [place, is_new] = first.emplace(key(node), id);
              if (is_new) continue;
              const std::vector<ValueId>& kept = graph.node(place->second).outputs;
              // Sizes that only running can tell have a symbol each, which other types name: they stay two.
              if (!std::equal(kept.begin(), kept.end(), node.outputs.begin(), node.outputs.end(),
                              [&](ValueId a, ValueId b) { return graph.type(a) == graph.type(b); })) {
                continue;
              }
              for (size_t i = 0; i < node.outputs.size(); ++i) {
                // Two outputs of the graph keep their two names.
                if (graph.is_output(node.outputs[i])) continue;
                changed |= !graph.value(node.outputs[i]).users.empty();
                graph.replace_uses(node.outputs[i], kept[i]);
              }
            }
            return changed;
          }};
}

}  // namespace mj
