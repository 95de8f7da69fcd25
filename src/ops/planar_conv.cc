// SPDX-License-Identifier: Apache-2.0
#include "ops/planar_conv.h"

#include <fmt/format.h>

#include "ops/cast.h"
#include "ops/register.h"
#include "ops/transpose.h"

namespace mj {
namespace {

const std::vector<int64_t> kToPixels = {0, 2, 3, 1};

}  // namespace

Conv PlanarConv::conv() const {
  Conv conv;
  conv.strides = strides;
  conv.pads = pads;
  conv.channels_last = true;
  return conv;
}

InferResult PlanarConv::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(2, 3));
  MJ_TRY(context.rank(0, 4));
  if (!is_float(context.dtype(0)) || !is_float(context.dtype(1))) {
    return context.fail(fmt::format("inputs 0 and 1 must be floats, got {} and {}", to_string(context[0].type),
                                    to_string(context[1].type)));
  }
  const Shape& x = context.shape(0);
  std::vector<ValueInfo> inputs(context.inputs.begin(), context.inputs.end());
  inputs[0] = ValueInfo::of(Type::tensor(context.dtype(1), {x[0], x[2], x[3], x[1]}));
  InferContext part = context;
  part.inputs = inputs;
  return conv().infer(part);
}

Result<void> PlanarConv::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  MJ_ASSIGN(std::vector<Tensor> rounded, evaluate(Cast{in[1].dtype()}, in.first(1)));
  MJ_ASSIGN(std::vector<Tensor> inputs, evaluate(Transpose{kToPixels}, rounded));
  inputs.insert(inputs.end(), in.begin() + 1, in.end());
  return conv().reference(inputs, out);
}

MJ_REGISTER_OP(PlanarConv)

}  // namespace mj
