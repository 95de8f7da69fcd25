// SPDX-License-Identifier: Apache-2.0
#include "ops/computed_numbers.h"

#include <algorithm>

#include "ops/indices.h"

namespace mj {

Result<std::optional<std::vector<int64_t>>> computed_numbers(const InferContext& context) {
  MJ_TRY(context.inputs_between(2, 2));
  MJ_TRY(context.ranked(0));
  MJ_TRY(require_indices(context, 1));
  if (context[1].type.rank() > 1) return context.fail("input 1 must be a list of numbers");
  std::optional<std::vector<int64_t>> numbers = context[1].known_elements();
  if (!numbers && context.concrete()) return context.fail("input 1 has more numbers than any tensor has dims");
  return numbers;
}

std::optional<int64_t> computed_count(const InferContext& context) {
  if (!context[1].type.ranked()) return std::nullopt;
  return element_count(context.shape(1)).constant();
}

InferResult infer_plain(const InferContext& context, const Op& plain) {
  return plain.infer(
      {.op = context.op, .inputs = context.inputs.first(1), .outputs = context.outputs, .fresh = context.fresh});
}

Result<void> run_plain(const Op& plain, std::span<const Tensor> in, std::span<Tensor> out) {
  return plain.info().reference(plain.raw(), in.first(1), out);
}

ValueInfo of_rank(const InferContext& context, int64_t rank) {
  Shape shape;
  for (int64_t d = 0; d < rank; ++d) shape.push_back(context.fresh("dim"));
  return ValueInfo::of(Type::tensor(context.dtype(0), std::move(shape)));
}

}  // namespace mj
