// SPDX-License-Identifier: Apache-2.0
// conv(conv(x, w, b) { activation }, v, c) { f }  =>  conv_depthwise(x, w, b, v, c) { f }      1x1, then depthwise
//
// Where the image between them is larger than a core's cache: its rows can then be read while they are still there.
#include "ops/conv_depthwise.h"
#include "passes/conv_forms.h"
#include "passes/edit.h"
#include "passes/passes.h"

namespace mj {
namespace {

// What one core keeps to itself, roughly: below it there is little to gain.
constexpr int64_t kLeastWideBytes = 512 << 10;

// Sets the fields for what follows the first convolution. Why not, or empty.
std::string take_activation(const Node& first, ConvDepthwise& op) {
  const Body& body = first.epilogue;
  if (body.empty()) return "";
  if (body.params.size() != 1 || body.instructions.size() != 1 || body.results != std::vector{1} ||
      !set_activation(op, body.instructions[0].op))
    return "what stands between the convolutions is not one activation that is known to stand there";
  return "";
}

std::string why_not_large(const Shape& wide) {
  const std::optional<int64_t> bytes = sample_bytes(wide);
  if (!bytes) return "the size of the image between the convolutions is not known";
  return *bytes < kLeastWideBytes ? "the image between the convolutions is small" : "";
}

bool fuse_pair(Graph& graph, NodeId id, const PassContext& context) {
  const Node second = graph.node(id);
  if (!is_depthwise_conv(graph, second)) return false;
  const ValueId between = second.inputs[0];
  const Node* producer = graph.producer(between);
  if (!producer || !is_pixelwise_conv(graph, *producer)) return false;
  const Node first = *producer;
  const Conv& conv = second.op.as<Conv>();
  ConvDepthwise op;
  op.strides = conv.strides, op.pads = conv.pads, op.dilations = conv.dilations, op.auto_pad = conv.auto_pad;
  std::string reason =
      graph.single_use(between) ? take_activation(first, op) : "the image between the convolutions is needed elsewhere";
  if (reason.empty()) reason = why_not_large(graph.shape(between));
  if (!reason.empty()) {
    context.why_not(graph, second, reason);
    return false;
  }
  Node fused;
  fused.op = op;
  fused.inputs = {first.inputs[0], first.inputs[1], anchor_input(first, 2), second.inputs[1]};
  if (const ValueId bias = anchor_input(second, 2); bias != kAbsent) fused.inputs.push_back(bias);
  fused.origin = second.origin;
  add_origins(first, fused.origin);
  replace_with_epilogue(graph, std::move(fused), id);
  return true;
}

}  // namespace

Pass fuse_conv_depthwise() {
  return {"fuse_conv_depthwise", [](Graph& graph, const PassContext& context) -> Result<bool> {
            bool changed = false;
            for (NodeId id : graph.order()) changed |= !graph.node(id).erased && fuse_pair(graph, id, context);
            return changed;
          }};
}

}  // namespace mj
