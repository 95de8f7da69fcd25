// SPDX-License-Identifier: Apache-2.0
// What a problem from a file must satisfy before a kernel is made for it.
#pragma once

#include <span>

#include "base/result.h"
#include "ops/infer.h"
#include "problem/problem.h"

namespace mj {

// What holds whatever the shapes: its inputs belong to its operator or its body, and the body computes.
Result<void> verify(const Problem& problem);
// `inputs` is what is known of each input's tensor; `outputs` what its plan says of each output (absent if unwanted).
// Operator and body must take the one and give the other. The problem has passed verify().
Result<void> verify_types(const Problem& problem, std::span<const ValueInfo> inputs, std::span<const Type> outputs);
// Do the dims of its inputs alone decide on those of its outputs, whatever a constant among them holds? The problem has
// passed verify().
bool dims_decide(const Problem& problem);

}  // namespace mj
