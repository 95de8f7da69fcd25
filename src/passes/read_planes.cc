// SPDX-License-Identifier: Apache-2.0
// conv{channels_last}(transpose(x[N,C,H,W]) {cast?}, w, b) { f }  =>  planar_conv(x, w, b) { f }
//
// Where w has 16 bits and x at most 4 channels (8 with a stride of 1): the stem of a network that sees images, for
// which sm_90 has a kernel. Its pixels need not be filled up to channels that tensor cores could fetch.
#include "ops/cast.h"
#include "ops/conv.h"
#include "ops/transpose.h"
#include "passes/conv_forms.h"
#include "passes/edit.h"
#include "passes/passes.h"
#include "problem/planar_conv_form.h"

namespace mj {
namespace {

bool is_plain(const Conv& conv) {
  return conv.channels_last && conv.group == 1 && (conv.auto_pad == "NOTSET" || conv.auto_pad == "VALID") &&
         std::all_of(conv.dilations.begin(), conv.dilations.end(), [](int64_t d) { return d == 1; });
}

// Turns planes into pixels, and at most rounds them to `dtype`.
bool turns_planes(const Node& node, DType dtype) {
  const Transpose* transpose = node.op ? node.op.get_if<Transpose>() : nullptr;
  if (!transpose || transpose->order(4) != std::vector<int64_t>{0, 2, 3, 1}) return false;
  const Body& body = node.epilogue;
  if (body.empty()) return true;
  return body.params.size() == 1 && body.instructions.size() == 1 && body.results.size() == 1 &&
         body.instructions[0].op.get_if<Cast>() && body.dtype(body.results[0]) == dtype;
}

bool read_planes_of(Graph& graph, NodeId id, const PassContext& context) {
  const Node conv = graph.node(id);
  const Conv* op = conv.op ? conv.op.get_if<Conv>() : nullptr;
  if (!op || !is_plain(*op) || graph.type(conv.inputs[0]).rank() != 4) return false;
  const Value& w = graph.value(conv.inputs[1]);
  const DType dtype = w.info.type.dtype;
  if ((dtype != DType::f16 && dtype != DType::bf16) || !w.is_constant() || w.info.constant.size() == 0) return false;
  const Node* turned = graph.producer(conv.inputs[0]);
  if (!turned || !turns_planes(*turned, dtype)) return false;
  const PlanarConv planar{op->strides, op->auto_pad == "VALID" ? std::vector<int64_t>{} : op->pads};
  const auto form = PlanarConvForm::of(planar, graph.shape(turned->inputs[0]), *w.info.type.shape);
  const DType from = graph.type(turned->inputs[0]).dtype;
  std::string reason;
  if (from != DType::f32 && from != DType::f16 && from != DType::bf16)
    reason = "no kernel reads planes of this type";
  else if (!form)
    reason = "the size of the image is not known";
  else if (!form->has_slots() || form->channels > form->slots() || form->outputs > PlanarConvForm::kMostColumns)
    reason = "no kernel reads planes of so many channels at such a stride";
  else if (form->shared_bytes(1) > context.target.gpu->shared_bytes)
    reason = "its lines are too long for shared memory";
  else if (!graph.single_use(conv.inputs[0]))
    reason = "its pixels are needed elsewhere";
  if (!reason.empty()) {
    context.why_not(graph, conv, reason);
    return false;
  }
  Node made;
  made.op = planar;
  made.inputs = {turned->inputs[0], conv.inputs[1]};
  if (const ValueId bias = anchor_input(conv, 2); bias != kAbsent) made.inputs.push_back(bias);
  made.origin = conv.origin;
  add_origins(*turned, made.origin);
  replace_with_epilogue(graph, std::move(made), id);
  return true;
}

}  // namespace

Pass read_planes() {
  return {"read_planes", [](Graph& graph, const PassContext& context) -> Result<bool> {
            if (!context.target.gpu || context.target.gpu->sm != 90) return false;
            bool changed = false;
            for (const NodeId id : graph.order())
              changed |= !graph.node(id).erased && read_planes_of(graph, id, context);
            return changed;
          }};
}

}  // namespace mj
