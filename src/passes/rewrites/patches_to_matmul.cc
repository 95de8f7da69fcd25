// SPDX-License-Identifier: Apache-2.0
// conv{strides = kernel}(x[N,C,H,W], w[O,C,h,w], b)  =>
//     transpose(matmul(reshape_to(transpose(reshape_to(x : [N,C,H/h,h,W/w,w]))), w : [C*h*w,O]) + b)
//
// For GPUs, where windows tile the image: each pixel is read once, so the patches may as well be put side by side, as
// the operand of a product whose depth is the weights' own; reading them as a convolution would fill up the channels.
#include "ops/conv.h"
#include "ops/dim_texts.h"
#include "ops/transpose.h"
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

ValueId reshaped(Graph& graph, ValueId x, const Shape& shape) {
  return graph.add1(op("reshape_to", {{1, "shape", dim_texts(shape)}}), {x});
}

bool all(const std::vector<int64_t>& list, int64_t number) {
  return std::all_of(list.begin(), list.end(), [&](int64_t x) { return x == number; });
}

Outcome tile(Graph& graph, const Match& m, const PassContext& context) {
  const Node node = *graph.producer(m.root());
  const Conv& conv = node.op.as<Conv>();
  if (!context.target.gpu || !node.epilogue.empty() || conv.group != 1 || conv.channels_last ||
      graph.type(node.inputs[0]).rank() != 4) {
    return Outcome::no();
  }
  const Tensor weights = graph.value(node.inputs[1]).info.constant;
  if (!weights.present()) return Outcome::no();
  const std::vector<int64_t>& w = weights.dims();
  if (w[2] * w[3] == 1 || conv.strides != std::vector<int64_t>{w[2], w[3]}) return Outcome::no();
  if (!all(conv.pads, 0) || !all(conv.dilations, 1) || (conv.auto_pad != "NOTSET" && conv.auto_pad != "VALID"))
    return "its image is padded, or its windows have gaps";
  const Shape x = graph.shape(node.inputs[0]);
  const Dim down = floor_div(x[2], w[2]), across = floor_div(x[3], w[3]);
  if (equal(down * w[2], x[2]) != Tri::yes || equal(across * w[3], x[3]) != Tri::yes)
    return "the image may not end where a window does";
  const Dim depth = w[1] * w[2] * w[3];
  ValueId patches = reshaped(graph, node.inputs[0], {x[0], x[1], down, w[2], across, w[3]});
  patches = graph.add1(Transpose{{0, 2, 4, 1, 3, 5}}, {patches});
  patches = reshaped(graph, patches, {x[0], down, across, depth});
  const Tensor lines = compute(Transpose{{1, 0}}, {{weights.reshaped({w[0], *depth.constant()})}});
  ValueId y = graph.add1(op("matmul"), {patches, graph.add_constant(lines)});
  if (node.inputs.size() > 2 && node.inputs[2] != kAbsent) y = graph.add1(op("add"), {y, node.inputs[2]});
  return graph.add1(Transpose{{0, 3, 1, 2}}, {y});
}

}  // namespace

Pass patches_to_matmul() { return rewrite_pass("patches_to_matmul", {{"tile", node("conv"), tile}}); }

}  // namespace mj
