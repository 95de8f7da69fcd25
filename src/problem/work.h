// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "base/dim.h"
#include "problem/problem.h"

namespace mj {

// Multiply-adds that the definition of the anchor takes (convolutions, products, attention, recurrences; those of bytes
// too), whatever the row that computes it does; 0 for every other operator, nothing if the bindings do not tell a size.
// Epilogues do not count: a percentage of the machine's peak is meant to be of its multiply-adds.
std::optional<double> multiply_adds(const Problem& problem, const Bindings& symbols);

// Are they of integers? Their rate is then in GOP/s, and no share of the peak of floats.
bool multiplies_integers(const Problem& problem);

}  // namespace mj
