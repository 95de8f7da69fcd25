// SPDX-License-Identifier: Apache-2.0
#include "ops/expand.h"

#include <algorithm>

#include "ops/constant_of_shape.h"
#include "ops/data_movement.h"
#include "ops/register.h"

namespace mj {

InferResult Expand::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(2, 2));
  MJ_TRY(context.ranked(0));
  MJ_TRY(context.rank(1, 1));
  if (!context[1].elements()) {
    if (context.concrete()) return context.fail("input 1 must be integers");
    const std::optional<int64_t> length = context.shape(1)[0].constant();
    if (!length) return one(ValueInfo::of(Type::unranked(context.dtype(0))));
    Shape out;
    for (int64_t d = 0; d < std::max(*length, context[0].type.rank()); ++d) out.push_back(context.fresh("expand"));
    return one(context.dtype(0), std::move(out));
  }
  MJ_ASSIGN(const Shape target, shape_from_input(context, 1, "expand"));
  Result<Shape> out = broadcast_shapes(context.shape(0), target);
  if (!out.ok()) return context.fail(out.error().message);
  ValueInfo info = ValueInfo::of(Type::tensor(context.dtype(0), std::move(*out)));
  const std::optional<int64_t> count = element_count(*info.type.shape).constant();
  const std::optional<std::vector<Dim>> all = context[0].elements();
  if (!context.concrete() && all && info.type.rank() <= 1 && count && *count <= kMaxContents) {
    info.contents = all->size() == 1 ? std::vector<Dim>(static_cast<size_t>(*count), (*all)[0]) : *all;
  }
  return one(std::move(info));
}

Result<void> Expand::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const std::vector<int64_t> strides = row_major(in[0].dims());
  Walk from{0, std::vector<int64_t>(out[0].dims().size(), 0)};
  for (size_t back = 1; back <= strides.size(); ++back) {
    const size_t d = strides.size() - back;
    if (in[0].dims()[d] != 1) from.strides[from.strides.size() - back] = strides[d];
  }
  copy_box(out[0].dims(), in[0], from, out[0], {0, row_major(out[0].dims())});
  return {};
}

MJ_REGISTER_OP(Expand)

}  // namespace mj
