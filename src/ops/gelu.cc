// SPDX-License-Identifier: Apache-2.0
#include "ops/gelu.h"

#include "ops/register.h"

namespace mj {
MJ_REGISTER_OP(Gelu)
}  // namespace mj
