// SPDX-License-Identifier: Apache-2.0
#include "ops/sequences.h"

#include <fmt/format.h>

#include "ops/data_movement.h"
#include "ops/indices.h"

namespace mj {

Result<void> require_tensor(const InferContext& context, size_t i) {
  if (!context.has(i)) return context.fail(fmt::format("input {} is missing", i));
  if (context[i].type.is_tensor()) return {};
  return context.fail(fmt::format("input {} must be a tensor, got {}", i, to_string(context[i].type)));
}

Result<void> require_position(const InferContext& context, size_t i) {
  MJ_TRY(require_tensor(context, i));
  MJ_TRY(require_indices(context, i));
  const Type& type = context[i].type;
  if (!type.ranked() || equal(element_count(*type.shape), 1) != Tri::no) return {};
  return context.fail(fmt::format("input {} must be one position, got {}", i, to_string(type)));
}

Result<int64_t> checked_position(std::string_view op, const Tensor& position, int64_t length, int64_t places) {
  const int64_t at = position.to_i64().at(0);
  if (at >= -length && at < places) return at < 0 ? at + length : at;
  return model_error("{}: position {} is outside a sequence of length {}", op, at, length);
}

Type taken_out(const InferContext& context, const Type& inside) {
  Type type = Type::unranked(inside.dtype);
  if (!inside.shape) return type;
  type.shape = inside.shape;
  for (Dim& dim : *type.shape) {
    if (dim == any_dim()) dim = context.fresh("item");
  }
  return type;
}

Tensor copied(const Tensor& tensor) {
  Tensor copy = Tensor::zeros(tensor.dtype(), tensor.dims());
  copy_all(tensor, copy);
  return copy;
}

}  // namespace mj
