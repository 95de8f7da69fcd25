// SPDX-License-Identifier: Apache-2.0
// conv(mul(x, s), w, b) { f }  =>  scaled_conv(x, s, w, b) { f }      1x1; s has one number for each channel of a
// sample
//
// Where the image is larger than a core's cache: writing the scaled one costs a walk over both.
#include <array>

#include "ops/scaled_conv.h"
#include "passes/conv_forms.h"
#include "passes/edit.h"
#include "passes/passes.h"

namespace mj {
namespace {

constexpr int64_t kLeastScaledBytes = 256 << 10;

// One number for each channel of a sample of x?
bool is_scale(const Shape& s, const Shape& x) {
  return s.size() == 4 && x.size() == 4 && (equal(s[0], x[0]) == Tri::yes || equal(s[0], 1) == Tri::yes) &&
         equal(s[1], 1) == Tri::yes && equal(s[2], 1) == Tri::yes && equal(s[3], x[3]) == Tri::yes;
}

bool fuse_scale(Graph& graph, NodeId id, const PassContext& context) {
  const Node conv = graph.node(id);
  if (!is_pixelwise_conv(graph, conv)) return false;
  const ValueId scaled = conv.inputs[0];
  const Node* mul = graph.producer(scaled);
  if (!mul || !mul->is("mul") || !mul->epilogue.empty()) return false;
  std::array<ValueId, 2> operands = {mul->inputs[0], mul->inputs[1]};
  if (is_scale(graph.shape(operands[0]), graph.shape(scaled))) std::swap(operands[0], operands[1]);
  std::string reason;
  if (!same_shape(graph.shape(operands[0]), graph.shape(scaled)) ||
      !is_scale(graph.shape(operands[1]), graph.shape(scaled)))
    reason = "what it multiplies is not one number for each channel of a sample";
  else if (!graph.single_use(scaled))
    reason = "the scaled image is needed elsewhere";
  else if (sample_bytes(graph.shape(scaled)).value_or(0) < kLeastScaledBytes)
    reason = "the image is small, or its size not known";
  if (!reason.empty()) {
    context.why_not(graph, conv, reason);
    return false;
  }
  Node fused;
  fused.op = ScaledConv{};
  fused.inputs = {operands[0], operands[1], conv.inputs[1]};
  if (const ValueId bias = anchor_input(conv, 2); bias != kAbsent) fused.inputs.push_back(bias);
  fused.origin = conv.origin;
  add_origins(*mul, fused.origin);
  replace_with_epilogue(graph, std::move(fused), id);
  return true;
}

}  // namespace

Pass fuse_scaled_conv() {
  return {"fuse_scaled_conv", [](Graph& graph, const PassContext& context) -> Result<bool> {
            bool changed = false;
            for (NodeId id : graph.order()) changed |= !graph.node(id).erased && fuse_scale(graph, id, context);
            return changed;
          }};
}

}  // namespace mj
