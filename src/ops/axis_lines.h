// SPDX-License-Identifier: Apache-2.0
// A tensor seen as [outer, length, inner] around one axis: the references of softmax, reductions along one axis, ...
#pragma once

#include <functional>

#include "base/tensor.h"
#include "ops/infer.h"

namespace mj {

struct AxisView {
  int64_t outer, length, inner;
  static AxisView of(std::span<const int64_t> dims, int64_t axis);  // axis in [-rank, rank)
};

// Replaces each line along `axis` of x, as doubles, by what `f` makes of it, rounded once into y of the same shape.
void map_lines(const Tensor& x, int64_t axis, Tensor& y, const std::function<void(std::span<double> line)>& f);

// The type of an operator that maps lines: one floating-point input with that axis, an output like it.
InferResult infer_lines(const InferContext& context, int64_t axis);

}  // namespace mj
