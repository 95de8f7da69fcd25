// SPDX-License-Identifier: Apache-2.0
// f(anchor(x, w), z)  =>  anchor(x, w, z) { f }      when nobody else uses the anchor's result and f keeps its shape
//
// The anchor that comes last takes it: the result of the other one is its operand (a residual).
#include <algorithm>
#include <array>

#include "passes/bodies.h"
#include "passes/edit.h"
#include "passes/passes.h"

namespace mj {
namespace {

// Those whose kernels apply a body to their results while these are in the cache.
constexpr std::array<std::string_view, 12> kAnchors = {"conv",       "gemm",        "matmul",        "attention",
                                                       "layer_norm", "rms_norm",    "instance_norm", "group_norm",
                                                       "softmax",    "log_softmax", "max_pool",      "average_pool"};

bool is_anchor(const Node& node) {
  if (!node.op || node.outputs.size() != 1) return false;
  return node.op.name().starts_with("reduce_") ||
         std::find(kAnchors.begin(), kAnchors.end(), node.op.name()) != kAnchors.end();
}

// The node that alone uses the value, or kNoNode.
NodeId only_user(const Graph& graph, ValueId id) {
  const std::vector<NodeId>& users = graph.value(id).users;
  if (users.empty() || graph.is_output(id)) return kNoNode;
  return std::all_of(users.begin(), users.end(), [&](NodeId user) { return user == users[0]; }) ? users[0] : kNoNode;
}

// The bias of a conv or gemm is the first instruction of every epilogue, so that rows see one form.
std::string why_not(const Graph& graph, const Node& anchor, const Node& user) {
  if (std::string reason = why_not_in_body(graph, user); !reason.empty()) return reason;
  if (user.outputs.size() != 1) return "it has several results";
  const Type &before = graph.type(anchor.outputs[0]), &after = graph.type(user.outputs[0]);
  if (before.dtype != DType::f32 || after.dtype != DType::f32) return "it is not f32";
  if (!before.shape || !after.shape || !same_shape(*before.shape, *after.shape)) return "it changes the shape";
  for (ValueId input : user.inputs) {
    if (graph.type(input).dtype != DType::f32) return "an operand is not f32";
  }
  return "";
}

bool fuse_onto(Graph& graph, NodeId id, const PassContext& context) {
  const Node anchor = graph.node(id);
  const NodeId user_id = only_user(graph, anchor.outputs[0]);
  if (user_id == kNoNode || !graph.node(user_id).is_pointwise()) return false;
  const Node user = graph.node(user_id);
  if (std::string reason = why_not(graph, anchor, user); !reason.empty()) {
    context.why_not(graph, user, reason);
    return false;
  }
  const size_t own = anchor.epilogue.empty() ? anchor.inputs.size() : static_cast<size_t>(anchor.anchor_inputs);
  BodyBuilder builder;
  const int result = builder.anchor(graph.type(anchor.outputs[0]).dtype);
  if (anchor.epilogue.empty()) {
    builder.define(anchor.outputs[0], result);
  } else {
    // The present epilogue once more, as a pointwise node over a stand-in for the anchor's bare result.
    builder.define(kAbsent, result);
    Node present;
    present.epilogue = anchor.epilogue;
    present.inputs = {kAbsent};
    present.inputs.insert(present.inputs.end(), anchor.inputs.begin() + static_cast<std::ptrdiff_t>(own),
                          anchor.inputs.end());
    present.outputs = anchor.outputs;
    builder.append(graph, present);
  }
  builder.append(graph, user);

  Node fused;
  fused.op = anchor.op;
  fused.inputs.assign(anchor.inputs.begin(), anchor.inputs.begin() + static_cast<std::ptrdiff_t>(own));
  fused.inputs.insert(fused.inputs.end(), builder.params().begin(), builder.params().end());
  fused.anchor_inputs = static_cast<int>(own);
  fused.epilogue = builder.finish(user.outputs);
  fused.origin = anchor.origin;
  add_origins(user, fused.origin);
  const std::vector<ValueId> made = graph.add_typed(std::move(fused), {graph.value(user.outputs[0]).info});
  graph.replace_uses(user.outputs[0], made[0]);
  erase_dead(graph, user_id);
  return true;
}

}  // namespace

Pass fuse_epilogue() {
  return {"fuse_epilogue", [](Graph& graph, const PassContext& context) -> Result<bool> {
            bool changed = false;
            std::vector<NodeId> order = graph.order();
            std::reverse(order.begin(), order.end());
            for (NodeId id : order) {
              if (graph.node(id).erased || !is_anchor(graph.node(id))) continue;
              changed |= fuse_onto(graph, id, context);
            }
            return changed;
          }};
}

}  // namespace mj
