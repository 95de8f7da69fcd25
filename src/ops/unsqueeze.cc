// SPDX-License-Identifier: Apache-2.0
#include "ops/unsqueeze.h"

#include "ops/data_movement.h"
#include "ops/register.h"

namespace mj {

InferResult Unsqueeze::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, 1));
  MJ_TRY(context.ranked(0));
  const auto rank = context[0].type.rank() + static_cast<int64_t>(axes.size());
  MJ_ASSIGN(const std::vector<int64_t> places, normalize_axes(context, axes, rank));
  Shape out = context.shape(0);
  for (int64_t place : places) out.insert(out.begin() + place, Dim(1));
  ValueInfo info = ValueInfo::of(Type::tensor(context.dtype(0), std::move(out)));
  if (!context.concrete() && info.type.rank() <= 1) info.contents = context[0].elements();
  return one(std::move(info));
}

Result<void> Unsqueeze::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  copy_all(in[0], out[0]);
  return {};
}

MJ_REGISTER_OP(Unsqueeze)

}  // namespace mj
