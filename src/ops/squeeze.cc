// SPDX-License-Identifier: Apache-2.0
#include "ops/squeeze.h"

#include <fmt/format.h>

#include <algorithm>

#include "ops/data_movement.h"
#include "ops/register.h"

namespace mj {

InferResult Squeeze::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, 1));
  MJ_TRY(context.ranked(0));
  const Shape& in = context.shape(0);
  MJ_ASSIGN(const std::vector<int64_t> drop, normalize_axes(context, axes, context[0].type.rank()));
  Shape out;
  for (size_t d = 0; d < in.size(); ++d) {
    const bool named = std::find(drop.begin(), drop.end(), static_cast<int64_t>(d)) != drop.end();
    if (named && equal(in[d], 1) == Tri::no) {
      return context.fail(fmt::format("dimension {} of {} is not 1", d, to_string(context[0].type)));
    }
    if (!(named || (axes.empty() && in[d] == Dim(1)))) out.push_back(in[d]);
  }
  ValueInfo info = ValueInfo::of(Type::tensor(context.dtype(0), std::move(out)));
  if (!context.concrete() && info.type.rank() <= 1) info.contents = context[0].elements();
  return one(std::move(info));
}

Result<void> Squeeze::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  copy_all(in[0], out[0]);
  return {};
}

MJ_REGISTER_OP(Squeeze)

}  // namespace mj
