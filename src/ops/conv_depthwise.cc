// SPDX-License-Identifier: Apache-2.0
#include "ops/conv_depthwise.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "ops/clip.h"
#include "ops/register.h"

namespace mj {
namespace {

constexpr std::array<std::string_view, 4> kActivations = {"relu", "clip", "silu", "hard_swish"};

bool is_activation(std::string_view name) {
  return std::find(kActivations.begin(), kActivations.end(), name) != kActivations.end();
}

}  // namespace

bool set_activation(ConvDepthwise& conv, const Op& activation) {
  if (!is_activation(activation.name())) return false;
  conv.activation = activation.name();
  if (const Clip* clip = activation.get_if<Clip>()) conv.min = clip->min, conv.max = clip->max;
  return true;
}

Conv ConvDepthwise::pixelwise() const {
  Conv conv;
  conv.channels_last = true;
  return conv;
}

Op ConvDepthwise::between() const {
  if (activation.empty()) return {};
  if (activation == Clip::kName) return Clip{min, max};
  return op(activation);
}

Conv ConvDepthwise::depthwise(int64_t channels) const { return {strides, pads, dilations, channels, auto_pad, true}; }

InferResult ConvDepthwise::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(2, 5));
  MJ_TRY(context.rank(0, 4));
  MJ_TRY(context.rank(1, 4));
  MJ_TRY(context.rank(3, 4));
  if (context.dtype(0) != DType::f32) {
    return context.fail(fmt::format("input 0 must be f32, got {}", to_string(context[0].type)));
  }
  if (!activation.empty() && !is_activation(activation)) {
    return context.fail(fmt::format("activation must be empty, relu, clip, silu or hard_swish, got '{}'", activation));
  }
  for (size_t d : {size_t{2}, size_t{3}})
    MJ_TRY(require_equal(context, "the window of the first weights and 1", context.shape(1)[d], 1));
  const std::optional<int64_t> channels = context.shape(1)[0].constant();
  if (!channels || *channels < 1) {
    return context.fail(fmt::format("the channels between must be known, got {}", context.shape(1)[0]));
  }
  InferContext part = context;
  part.inputs = context.inputs.first(3);
  MJ_ASSIGN(std::vector<ValueInfo> wide, pixelwise().infer(part));
  wide.insert(wide.end(), context.inputs.begin() + 3, context.inputs.end());
  part.inputs = wide;
  MJ_TRY(require_equal(part, "the depthwise weights' outputs and the channels between", part.shape(1)[0], *channels));
  return depthwise(*channels).infer(part);
}

Result<void> ConvDepthwise::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  MJ_ASSIGN(std::vector<Tensor> wide, evaluate(pixelwise(), in.first(3)));
  if (const Op op = between()) {
    MJ_ASSIGN(wide, evaluate(op, wide));
  }
  wide.insert(wide.end(), in.begin() + 3, in.end());
  return depthwise(in[1].dims()[0]).reference(wide, out);
}

MJ_REGISTER_OP(ConvDepthwise)

}  // namespace mj
