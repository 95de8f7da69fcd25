// SPDX-License-Identifier: Apache-2.0
#include "ops/concat.h"

#include <fmt/format.h>

#include "ops/axis_lines.h"
#include "ops/data_movement.h"
#include "ops/register.h"

namespace mj {
namespace {

std::optional<std::vector<Dim>> concat_contents(const InferContext& context) {
  std::vector<Dim> all;
  for (const ValueInfo& input : context.inputs) {
    const std::optional<std::vector<Dim>> part = input.elements();
    if (!part || input.type.rank() != 1) return std::nullopt;
    all.insert(all.end(), part->begin(), part->end());
  }
  return all;
}

}  // namespace

InferResult Concat::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, SIZE_MAX));
  MJ_TRY(context.rank_at_least(0, 1));
  const int64_t rank = context[0].type.rank();
  MJ_ASSIGN(const int64_t at, normalize_axis(context, axis, rank));
  Shape out = context.shape(0);
  for (size_t i = 1; i < context.inputs.size(); ++i) {
    MJ_TRY(context.rank(i, rank));
    MJ_TRY(context.same_dtype(0, i));
    for (size_t d = 0; d < out.size(); ++d) {
      const Dim& dim = context.shape(i)[d];
      if (static_cast<int64_t>(d) == at) {
        out[d] += dim;
      } else {
        MJ_TRY(require_equal(context, fmt::format("dimension {} of inputs 0 and {}", d, i), out[d], dim));
        if (dim.is_constant()) out[d] = dim;
      }
    }
  }
  ValueInfo info = ValueInfo::of(Type::tensor(context.dtype(0), std::move(out)));
  if (!context.concrete()) info.contents = concat_contents(context);
  return one(std::move(info));
}

Result<void> Concat::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const AxisView whole = AxisView::of(out[0].dims(), axis);
  int64_t place = 0;
  for (const Tensor& x : in) {
    const AxisView part = AxisView::of(x.dims(), axis);
    const int64_t block = part.length * part.inner;
    for (int64_t o = 0; o < part.outer; ++o) {
      copy_elements(x, o * block, out[0], o * whole.length * whole.inner + place, block);
    }
    place += block;
  }
  return {};
}

MJ_REGISTER_OP(Concat)

}  // namespace mj
