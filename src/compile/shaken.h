// SPDX-License-Identifier: Apache-2.0
// How far the oracle is from itself. Where bytes are rounded from maths in f32, an engine that adds up in another order
// rounds some of them the other way, and the layers below multiply that: no fixed tolerance tells it from a mistake.
// The oracle with every f32 constant changed in its last places meets the same fate, and so is the yardstick.
#pragma once

#include "engine/format/plan.h"
#include "ir/graph.h"

namespace mj {

// Does the graph round to bytes what maths in f32 made? An input, or bytes that were moved, are no maths.
bool rounds_maths(const Graph& graph);

// The plan with every f32 constant times 1 + 2^-20 * u, u drawn from [-1, 1]: what f32 loses in sums of some hundreds.
Plan shaken(const Plan& plan, uint64_t seed);

}  // namespace mj
