// SPDX-License-Identifier: Apache-2.0
// Maths on weights in double, rounded once: what folding batch norms and scales needs.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "base/tensor.h"

namespace mj {

// `c` broadcast against a result of rank `rank` varies along `axis` alone: its `n` values there (one value is
// repeated).
std::optional<std::vector<double>> along_axis(const Tensor& c, int64_t rank, int64_t axis, int64_t n);
// weight * s, where element i of `s` goes with index i of dimension `axis`.
Tensor scaled(const Tensor& weight, int64_t axis, std::span<const double> s);
// A vector of this element type.
Tensor vector_of(DType dtype, std::span<const double> values);
// The vector's elements, or n zeros if it is absent.
std::vector<double> values_or_zeros(const Tensor& vector, int64_t n);

}  // namespace mj
