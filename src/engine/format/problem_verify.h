// SPDX-License-Identifier: Apache-2.0
// What a problem from a file must satisfy before a kernel is made for it.
#pragma once

#include <span>

#include "base/result.h"
#include "ops/infer.h"
#include "problem/problem.h"

namespace mj {

// `inputs` is what is known of each input's tensor; `outputs` what its plan says of each output (absent if unwanted).
// Operator and body must take the one and give the other.
Result<void> verify(const Problem& problem, std::span<const ValueInfo> inputs, std::span<const Type> outputs);

}  // namespace mj
