// SPDX-License-Identifier: Apache-2.0
#include "ops/constant.h"

#include "ops/data_movement.h"
#include "ops/register.h"

namespace mj {

InferResult Constant::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(0, 0));
  ValueInfo info = ValueInfo::of(value);
  info.constant = {};
  if (!context.concrete()) info.contents = ValueInfo::of(value).elements();
  return one(std::move(info));
}

Result<void> Constant::reference(std::span<const Tensor>, std::span<Tensor> out) const {
  copy_all(value, out[0]);
  return {};
}

MJ_REGISTER_OP(Constant)

}  // namespace mj
