// SPDX-License-Identifier: Apache-2.0
// What the operators on sequences and optionals share.
#pragma once

#include "ops/infer.h"

namespace mj {

// Input i must be a tensor, of any rank.
Result<void> require_tensor(const InferContext& context, size_t i);
// Input i must be one i32 or i64: the place in a sequence.
Result<void> require_position(const InferContext& context, size_t i);
// The place, negative ones from the end, or an error: below `places`, which is one more than the length where something
// is put in.
Result<int64_t> checked_position(std::string_view op, const Tensor& position, int64_t length, int64_t places);
// The tensor that is taken out of a sequence or optional: dims that may be anything become symbols that running binds.
Type taken_out(const InferContext& context, const Type& inside);
// With memory of its own, so that it may live on.
Tensor copied(const Tensor& tensor);

}  // namespace mj
