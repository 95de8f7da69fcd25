// SPDX-License-Identifier: Apache-2.0
#include "ops/indices.h"

#include <fmt/format.h>

namespace mj {

Result<void> require_indices(const InferContext& context, size_t i) {
  if (context.has(i) && (context.dtype(i) == DType::i64 || context.dtype(i) == DType::i32)) return {};
  return context.fail(fmt::format("input {} must be i32 or i64, got {}", i,
                                  context.has(i) ? to_string(context[i].type) : std::string("nothing")));
}

Result<int64_t> checked_index(std::string_view op, int64_t index, int64_t n) {
  if (index < -n || index >= n) {
    return model_error("{}: index {} is outside a dimension of length {}", op, index, n);
  }
  return index < 0 ? index + n : index;
}

}  // namespace mj
