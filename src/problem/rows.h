// SPDX-License-Identifier: Apache-2.0
// Rows: the parts of a batch, of which each is one index of the first axis.
#pragma once

#include <string_view>
#include <vector>

#include "problem/problem.h"

namespace mj {

// Does row r of each output follow from row r of those inputs that are `split`, one flag each, and from the others as a
// whole? No where that is not known; a problem whose outputs have rows though no input has is also asked.
bool row_wise(const Problem& problem, const std::vector<bool>& split);

// Do the fields of its operators speak of this symbol?
bool mentions(const Problem& problem, std::string_view symbol);

}  // namespace mj
