// SPDX-License-Identifier: Apache-2.0
#include "ops/if.h"

#include "ops/register.h"

namespace mj {

InferResult If::infer(const InferContext& context) const { return context.fail("its types are those of its regions"); }

Result<void> If::reference(std::span<const Tensor>, std::span<Tensor>) const {
  return model_error("if: runs as a step of a plan, never as a kernel");
}

MJ_REGISTER_OP(If)

}  // namespace mj
