// SPDX-License-Identifier: Apache-2.0
// What operators share that take as an input what their plain form has as a field: the axes of a reduction, the sizes
// of a split. Where the numbers are known the plain form's rule holds; else the rank may be known, the dims are not.
#pragma once

#include "ops/op.h"

namespace mj {

// The numbers of input 1, i64 or i32 and at most one dim; nothing if only running can tell. An error if they are none.
Result<std::optional<std::vector<int64_t>>> computed_numbers(const InferContext& context);
// How many they are, as far as that is known.
std::optional<int64_t> computed_count(const InferContext& context);
// The rule of `plain` for input 0 alone.
InferResult infer_plain(const InferContext& context, const Op& plain);
// Its reference for in[0].
Result<void> run_plain(const Op& plain, std::span<const Tensor> in, std::span<Tensor> out);
// A tensor like input 0 of this rank, all dims fresh.
ValueInfo of_rank(const InferContext& context, int64_t rank);

}  // namespace mj
