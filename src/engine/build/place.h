// SPDX-License-Identifier: Apache-2.0
// Where tensors lie: those of steps that a device runs in its memory, the rest on the host.
#pragma once

#include "engine/format/plan.h"

namespace mj {

// The plan with a copy step wherever a step reads what another one left in the other memory, once for each tensor.
// Constants need none: they are uploaded when the engine is loaded. Inputs and outputs of the plan stay on the host.
Plan with_copies(Plan plan);

}  // namespace mj
