// SPDX-License-Identifier: Apache-2.0
// g(f(x, y), z)  =>  pointwise(x, y, z) { g(f) }      when nobody else uses f and it has the result's shape
//
// A smaller operand is not pulled in: it would be computed again for every element that it is broadcast to. Chains end
// at kLongestBody.
#include <fmt/format.h>

#include <algorithm>

#include "passes/bodies.h"
#include "passes/edit.h"
#include "passes/passes.h"

namespace mj {
namespace {

// All that uses the node's one result is `consumer`.
bool feeds_only(const Graph& graph, const Node& node, NodeId consumer) {
  if (node.outputs.size() != 1 || graph.is_output(node.outputs[0])) return false;
  const std::vector<NodeId>& users = graph.value(node.outputs[0]).users;
  return std::all_of(users.begin(), users.end(), [&](NodeId user) { return user == consumer; });
}

bool all_f32(const Graph& graph, const std::vector<ValueId>& ids) {
  return std::all_of(ids.begin(), ids.end(), [&](ValueId id) { return graph.type(id).dtype == DType::f32; });
}

// Truth values may stand in the middle of a body, not at its edges.
std::string why_not_at_edges(const Graph& graph, const BodyBuilder& body, const Node& consumer) {
  if (!all_f32(graph, body.params())) return "an operand that stays outside is not f32";
  if (!all_f32(graph, consumer.outputs)) return "its result is not f32";
  return "";
}

size_t instructions(const Node& node) { return node.op ? 1 : node.epilogue.instructions.size(); }

bool fuse_into(Graph& graph, NodeId id, const PassContext& context) {
  const Node consumer = graph.node(id);
  if (consumer.outputs.size() != 1 || !why_not_in_body(graph, consumer).empty()) return false;
  const Shape& shape = graph.shape(consumer.outputs[0]);
  std::vector<NodeId> producers;
  size_t length = instructions(consumer);
  for (ValueId input : consumer.inputs) {
    const NodeId producer = graph.value(input).producer;
    if (producer == kNoNode || std::find(producers.begin(), producers.end(), producer) != producers.end()) continue;
    const Node& node = graph.node(producer);
    if (!node.is_pointwise() || !feeds_only(graph, node, id)) continue;
    std::string why_not = why_not_in_body(graph, node);
    if (why_not.empty() && !same_shape(graph.shape(node.outputs[0]), shape))
      why_not = "its operand is smaller than its result";
    if (why_not.empty() && length + instructions(node) > kLongestBody)
      why_not = fmt::format("{} instructions are enough", kLongestBody);
    if (!why_not.empty()) {
      context.why_not(graph, consumer, why_not);
      continue;
    }
    length += instructions(node);
    producers.push_back(producer);
  }
  if (producers.empty()) return false;
  BodyBuilder builder;
  Node fused;
  for (NodeId producer : producers) {
    builder.append(graph, graph.node(producer));
    add_origins(graph.node(producer), fused.origin);
  }
  builder.append(graph, consumer);
  if (std::string why_not = why_not_at_edges(graph, builder, consumer); !why_not.empty()) {
    context.why_not(graph, consumer, why_not);
    return false;
  }
  add_origins(consumer, fused.origin);
  fused.epilogue = builder.finish(consumer.outputs);
  fused.inputs = builder.params();
  const std::vector<ValueId> made = graph.add_typed(std::move(fused), {graph.value(consumer.outputs[0]).info});
  graph.replace_uses(consumer.outputs[0], made[0]);
  erase_dead(graph, id);
  return true;
}

}  // namespace

Pass fuse_pointwise() {
  return {"fuse_pointwise", [](Graph& graph, const PassContext& context) -> Result<bool> {
            bool changed = false;
            // From the front, so that a chain gathers in one sweep; appended nodes are visited too.
            for (NodeId id = 0; id < graph.node_count(); ++id) {
              if (!graph.node(id).erased && graph.node(id).is_pointwise()) changed |= fuse_into(graph, id, context);
            }
            return changed;
          }};
}

}  // namespace mj
