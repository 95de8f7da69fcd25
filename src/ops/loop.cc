// SPDX-License-Identifier: Apache-2.0
#include "ops/loop.h"

#include "ops/register.h"

namespace mj {

InferResult Loop::infer(const InferContext& context) const { return context.fail("its types are those of its region"); }

Result<void> Loop::reference(std::span<const Tensor>, std::span<Tensor>) const {
  return model_error("loop: runs as a step of a plan, never as a kernel");
}

MJ_REGISTER_OP(Loop)

}  // namespace mj
