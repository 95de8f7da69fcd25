// SPDX-License-Identifier: Apache-2.0
// conv(resize(x), w, b)               =>  resize(conv(x, w, b))                                 1x1, upwards
// conv(concat(resize(x), y), w, b)    =>  resize(conv(x, w[:, x])) + conv(y, w[:, y], b)        likewise
//
// Every result of a resize is a weighted mean of pixels, and so is that of what a 1x1 convolution makes of them: on the
// smaller image it has less to do. Nothing is concatenated.
#include <algorithm>

#include "ops/concat.h"
#include "ops/conv.h"
#include "ops/dim_texts.h"
#include "ops/resize.h"
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

// The resize that makes the value larger along spatial axes alone, and that nobody else needs; null if it is none.
const Node* enlarged(const Graph& graph, ValueId id) {
  const Node* node = graph.producer(id);
  const Resize* resize = node ? node->op.get_if<Resize>() : nullptr;
  const int64_t rank = graph.type(id).rank();
  if (!resize || !graph.single_use(id) || rank < 3 || node->inputs.size() < 3 || node->inputs[2] == kAbsent)
    return nullptr;
  const Tensor& scales = graph.value(node->inputs[2]).info.constant;
  if (!scales.present() || (resize->mode != "nearest" && resize->mode != "linear") || resize->antialias ||
      resize->coordinate_transformation_mode == "tf_crop_and_resize") {
    return nullptr;
  }
  const std::vector<double> factors = scales.to_f64();
  if (std::ssize(factors) != (resize->axes.empty() ? rank : std::ssize(resize->axes))) return nullptr;
  for (size_t i = 0; i < factors.size(); ++i) {
    int64_t axis = resize->axes.empty() ? static_cast<int64_t>(i) : resize->axes[i];
    if (axis < 0) axis += rank;
    if (axis < 2 ? factors[i] != 1 : factors[i] < 1) return nullptr;
  }
  return node;
}

bool is_pixelwise(const Graph& graph, const Node& node) {
  const Conv* conv = node.op.get_if<Conv>();
  if (!conv || !node.epilogue.empty() || conv->group != 1 || conv->channels_last || conv->auto_pad != "NOTSET")
    return false;
  const auto all = [](const std::vector<int64_t>& list, int64_t number) {
    return std::all_of(list.begin(), list.end(), [&](int64_t x) { return x == number; });
  };
  const Tensor& weights = graph.value(node.inputs[1]).info.constant;
  return weights.present() && weights.dtype() == DType::f32 && all(conv->strides, 1) && all(conv->pads, 0) &&
         weights.size() == weights.dims()[0] * weights.dims()[1];
}

// The resize of `resize` over the convolution of its image.
ValueId smaller(Graph& graph, const Node& resize, const Op& conv, const Tensor& weights, ValueId bias) {
  std::vector<ValueId> inputs = {resize.inputs[0], graph.add_constant(weights)};
  if (bias != kAbsent) inputs.push_back(bias);
  std::vector<ValueId> resized = resize.inputs;
  resized[0] = graph.add1(conv, inputs);
  return graph.add1(resize.op, resized);
}

Outcome before(Graph& graph, const Match& m, const PassContext&) {
  const Node conv = *graph.producer(m.root());
  if (!is_pixelwise(graph, conv)) return Outcome::no();
  const Tensor weights = graph.value(conv.inputs[1]).info.constant;
  const ValueId bias = conv.inputs.size() > 2 ? conv.inputs[2] : kAbsent;
  if (const Node* resize = enlarged(graph, conv.inputs[0]))
    return smaller(graph, Node(*resize), conv.op, weights, bias);

  const Node* concat = graph.producer(conv.inputs[0]);
  if (!concat || !concat->is("concat") || !graph.single_use(conv.inputs[0])) return Outcome::no();
  const auto given = concat->op.get_if<Concat>()->axis;
  if ((given < 0 ? given + graph.type(conv.inputs[0]).rank() : given) != 1) return Outcome::no();
  // The parts with their channels: [first, second).
  std::vector<std::pair<int64_t, int64_t>> channels;
  int64_t at = 0;
  for (ValueId part : concat->inputs) {
    const std::optional<int64_t> count = graph.type(part).shape ? graph.shape(part)[1].constant() : std::nullopt;
    if (!count) return "the channels of a part are not known";
    // A sum would broadcast where a concat refuses.
    Shape like = graph.shape(concat->inputs[0]);
    like[1] = *count;
    if (!same_shape(like, graph.shape(part))) return "the sizes of the parts may differ";
    channels.emplace_back(at, at + *count);
    at += *count;
  }
  const std::vector<ValueId> parts = concat->inputs;
  const auto is_enlarged = [&](ValueId part) { return enlarged(graph, part) != nullptr; };
  const auto resized = std::count_if(parts.begin(), parts.end(), is_enlarged);
  if (resized == 0) return Outcome::no();
  if (resized == std::ssize(parts)) return "all parts of the concat are resized";

  const auto columns = [&](size_t i) {
    return compute(op("slice_to", {{1, "axes", std::vector<int64_t>{1}},
                                   {2, "starts", dim_texts({Dim(channels[i].first)})},
                                   {3, "ends", dim_texts({Dim(channels[i].second)})},
                                   {4, "steps", std::vector<int64_t>{1}}}),
                   std::vector<Tensor>{weights});
  };
  std::vector<ValueId> sums, rest;
  std::vector<Tensor> rest_weights;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (const Node* resize = enlarged(graph, parts[i])) {
      sums.push_back(smaller(graph, Node(*resize), conv.op, columns(i), kAbsent));
    } else {
      rest.push_back(parts[i]);
      rest_weights.push_back(columns(i));
    }
  }
  std::vector<ValueId> inputs = {rest.size() == 1 ? rest[0] : graph.add1(Concat{1}, rest),
                                 graph.add_constant(compute(Concat{1}, rest_weights))};
  if (bias != kAbsent) inputs.push_back(bias);
  ValueId result = graph.add1(conv.op, inputs);
  for (ValueId sum : sums) result = graph.add1(op("add"), {result, sum});
  return result;
}

}  // namespace

Pass conv_before_resize() { return rewrite_pass("conv_before_resize", {{"before", node("conv"), before}}); }

}  // namespace mj
