// SPDX-License-Identifier: Apache-2.0
#include "ops/clip.h"

#include "ops/register.h"

namespace mj {
MJ_REGISTER_OP(Clip)
}  // namespace mj
