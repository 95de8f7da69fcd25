// SPDX-License-Identifier: Apache-2.0
// Elements as unsigned integers that are in the same order.
#pragma once

#include <string_view>

namespace mj {

// order_key(x) of float, double, int, unsigned and their twins of 64 bits; count_one(counter) in shared memory.
std::string_view order_key_helpers();

}  // namespace mj
