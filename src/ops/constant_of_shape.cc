// SPDX-License-Identifier: Apache-2.0
#include "ops/constant_of_shape.h"

#include <fmt/format.h>

#include "ops/data_movement.h"
#include "ops/register.h"

namespace mj {

Result<Shape> shape_from_input(const InferContext& context, size_t i, std::string_view hint) {
  MJ_TRY(context.rank(i, 1));
  if (std::optional<std::vector<Dim>> dims = context[i].elements()) {
    for (const Dim& dim : *dims) {
      if (dim.constant() && *dim.constant() < 0) return context.fail(fmt::format("dimension {} is negative", dim));
    }
    return Shape(dims->begin(), dims->end());
  }
  const std::optional<int64_t> rank = context.shape(i)[0].constant();
  if (!rank || context.concrete()) return context.fail(fmt::format("the length of input {} must be known", i));
  Shape out;
  for (int64_t d = 0; d < *rank; ++d) out.push_back(context.fresh(hint));
  return out;
}

InferResult ConstantOfShape::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, 1));
  if (value.size() != 1) return context.fail(fmt::format("value must have one element, got {}", to_string(value)));
  MJ_TRY(context.rank(0, 1));
  if (!context.concrete() && !context[0].elements() && !context.shape(0)[0].constant()) {
    return one(ValueInfo::of(Type::unranked(value.dtype())));
  }
  MJ_ASSIGN(Shape out, shape_from_input(context, 0, "fill"));
  ValueInfo info = ValueInfo::of(Type::tensor(value.dtype(), std::move(out)));
  const Shape& dims = *info.type.shape;
  const bool small = dims.empty() || (dims.size() == 1 && dims[0].constant() && *dims[0].constant() <= kMaxContents);
  if (small && !context.concrete() && (is_integer(value.dtype()) || value.dtype() == DType::boolean)) {
    info.contents.emplace(dims.empty() ? 1 : static_cast<size_t>(*dims[0].constant()), Dim(value.to_i64()[0]));
  }
  return one(std::move(info));
}

Result<void> ConstantOfShape::reference(std::span<const Tensor>, std::span<Tensor> out) const {
  copy_box(out[0].dims(), value, {0, std::vector<int64_t>(out[0].dims().size(), 0)}, out[0],
           {0, row_major(out[0].dims())});
  return {};
}

MJ_REGISTER_OP(ConstantOfShape)

}  // namespace mj
