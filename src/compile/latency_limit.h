// SPDX-License-Identifier: Apache-2.0
// The fewest joules within a latency. Choices that were weighed are chosen anew by joules + price * seconds: the dearer
// a second, the faster they get, and each price gives the fewest joules for the time it leads to.
#pragma once

#include <optional>

#include "base/units.h"
#include "engine/format/plan.h"

namespace mj {

// What a second costs where nothing else does.
inline constexpr Watts kAnyPrice{1e12};

// About the lowest price at which the steps of `plan`, all together, take `seconds` less than as they were chosen.
// Nothing where no price is high enough.
std::optional<Watts> price_to_save(const Plan& plan, double seconds);

}  // namespace mj
