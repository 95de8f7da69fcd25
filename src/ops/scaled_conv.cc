// SPDX-License-Identifier: Apache-2.0
#include "ops/scaled_conv.h"

#include <fmt/format.h>

#include "ops/register.h"

namespace mj {

Conv ScaledConv::conv() const {
  Conv conv;
  conv.channels_last = true;
  return conv;
}

InferResult ScaledConv::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(3, 4));
  for (size_t i : {size_t{0}, size_t{1}, size_t{2}}) MJ_TRY(context.rank(i, 4));
  if (context.dtype(0) != DType::f32) {
    return context.fail(fmt::format("input 0 must be f32, got {}", to_string(context[0].type)));
  }
  MJ_TRY(context.same_dtype(0, 1));
  const Shape &x = context.shape(0), &s = context.shape(1);
  if (equal(s[0], 1) != Tri::yes) MJ_TRY(require_equal(context, "the samples of x and of the scale", x[0], s[0]));
  for (size_t d : {size_t{1}, size_t{2}}) MJ_TRY(require_equal(context, "the scale's height and width and 1", s[d], 1));
  MJ_TRY(require_equal(context, "the channels of x and of the scale", x[3], s[3]));
  for (size_t d : {size_t{2}, size_t{3}})
    MJ_TRY(require_equal(context, "the window of the weights and 1", context.shape(2)[d], 1));
  std::vector<ValueInfo> inputs(context.inputs.begin(), context.inputs.end());
  inputs.erase(inputs.begin() + 1);
  InferContext part = context;
  part.inputs = inputs;
  return conv().infer(part);
}

Result<void> ScaledConv::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  MJ_ASSIGN(std::vector<Tensor> inputs, evaluate(op("mul"), in.first(2)));
  inputs.insert(inputs.end(), in.begin() + 2, in.end());
  return conv().reference(inputs, out);
}

MJ_REGISTER_OP(ScaledConv)

}  // namespace mj
