// SPDX-License-Identifier: Apache-2.0
// slice, concat, split and expand as copies of boxes.
#pragma once

#include <vector>

#include "kernels/cpu/strided_copy.h"
#include "kernels/kernel.h"

namespace mj {

// The copies that compute `op` for these tensors. An error names bounds or dims that do not fit the outputs'.
Result<std::vector<cpu::StridedCopy>> boxes_of(const Op& op, std::span<const TensorRef> inputs,
                                               std::span<const TensorRef> outputs, const Bindings& symbols);
bool is_box_copy(const Op& op);

// The elements of an i32 or i64 tensor.
std::vector<int64_t> integers(const TensorRef& tensor);

}  // namespace mj
