// SPDX-License-Identifier: Apache-2.0
// slice_to(conv{pads}(x, w, b))  =>  conv{pads'}(x, w, b)      where what is cut off the ends of a spatial axis are
// results that begin in the padding: the padding of an even window, by half of it on both sides, makes one too many
#include "ops/conv.h"
#include "ops/dim_texts.h"
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

Outcome cut(Graph& graph, const Match& m, const PassContext&) {
  const Node slice = *graph.producer(m.root()), node = m.node("conv");
  Conv conv = node.op.as<Conv>();
  const auto axes = field_of<std::vector<int64_t>>(slice.op, "axes"),
             steps = field_of<std::vector<int64_t>>(slice.op, "steps");
  const int64_t rank = graph.type(m.root()).rank(), spatial = rank - 2;
  if (axes.size() != 1 || (!steps.empty() && steps[0] != 1) || conv.channels_last || !node.epilogue.empty())
    return Outcome::no();
  const int64_t axis = (axes[0] < 0 ? axes[0] + rank : axes[0]) - 2;
  const Result<Dim> start = Dim::parse(field_of<DimTexts>(slice.op, "starts")[0]);
  if (axis < 0 || std::ssize(conv.pads) != 2 * spatial || conv.auto_pad != "NOTSET" || !start.ok() ||
      !start->constant() || *start->constant() < 0) {
    return Outcome::no();
  }
  const Dim &whole = m.shape("conv")[static_cast<size_t>(axis + 2)],
            &left = graph.shape(m.root())[static_cast<size_t>(axis + 2)];
  const std::optional<int64_t> end = (whole - left - *start).constant();
  if (!end || *end < 0) return "how much is cut off is not known";
  const int64_t stride = conv.strides.empty() ? 1 : conv.strides[static_cast<size_t>(axis)];
  int64_t &before = conv.pads[static_cast<size_t>(axis)], &after = conv.pads[static_cast<size_t>(axis + spatial)];
  if (before < *start->constant() * stride || after < *end * stride) return "more is cut off than the padding gave";
  before -= *start->constant() * stride;
  after -= *end * stride;
  const std::vector<ValueInfo> infos = input_infos(graph, node);
  const Op shorter = conv;
  const InferResult result = shorter.infer({.op = "conv", .inputs = infos, .outputs = 1, .fresh = nullptr});
  if (!result.ok() || !same_shape(*(*result)[0].type.shape, graph.shape(m.root())))
    return "the shorter convolution has another length";
  return graph.add1(shorter, node.inputs);
}

}  // namespace

Pass slice_conv() {
  return rewrite_pass("slice_conv", {{"cut", node("slice_to", {node("conv").as("conv").once()}), cut}});
}

}  // namespace mj
