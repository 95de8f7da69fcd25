// SPDX-License-Identifier: Apache-2.0
// A simple model of rows that stream their tensors once: bytes / bandwidth + operations / speed.
#pragma once

#include <optional>

#include "kernels/select.h"

namespace mj {

// `operations` are vector-lane operations for each element of the first output. Nothing if a size is not known.
std::optional<double> streaming_seconds(const Problem& problem, const Target& target, const Bindings& bindings,
                                        double operations);

// The product of a shape's dims, if the bindings tell it.
std::optional<double> elements_of(const Shape& shape, const Bindings& bindings);

}  // namespace mj
