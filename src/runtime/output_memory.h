// SPDX-License-Identifier: Apache-2.0
// Where the outputs of a run go.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/format/plan.h"
#include "runtime/session.h"

namespace mj {

// Sizes that only running tells may be anything; memory that cannot be had is the request's fault.
Result<Tensor> allocate(const PlanTensor& tensor, std::vector<int64_t> dims);
Destination destination(const RunOptions& options, size_t output);
// Memory for an output that a run writes: the caller's (of which `output` becomes a view), that of `output` if it fits,
// or new.
Result<void*> prepare(const Destination& to, const PlanTensor& tensor, std::vector<int64_t> dims, Tensor& output);

}  // namespace mj
