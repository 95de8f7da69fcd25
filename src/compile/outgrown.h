// SPDX-License-Identifier: Apache-2.0
// Which steps of an f32 plan make numbers that 16 bits do not hold.
#pragma once

#include <memory>
#include <set>
#include <span>
#include <string>

#include "base/thread_pool.h"
#include "runtime/session.h"

namespace mj {

// Runs the plan on the inputs. The names of the model's nodes whose steps write finite numbers that are infinite in
// `dtype`, and of those that read them: these too would have to round them.
Result<std::set<std::string>> outgrown(std::shared_ptr<const Program> program, ThreadPool& pool,
                                       std::span<const Tensor> inputs, DType dtype);

}  // namespace mj
