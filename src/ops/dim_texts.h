// SPDX-License-Identifier: Apache-2.0
// Sizes as fields: texts of Dims. Operators that take them have no run-time input for a shape, so that nothing computes
// shapes while running; only passes make them (passes/fold_shapes.cc).
#pragma once

#include <string>
#include <vector>

#include "base/shape.h"
#include "ops/infer.h"

namespace mj {

using DimTexts = std::vector<std::string>;

DimTexts dim_texts(const Shape& dims);
Result<Shape> parse_dims(const InferContext& context, const DimTexts& texts);
// Each text as a number; a text that the bindings do not settle stays, and the shape rule will name it.
DimTexts bind_dims(const DimTexts& texts, const Bindings& symbols);
// Of texts that are all numbers, as an i64 tensor of rank 1.
Result<Tensor> dims_tensor(std::string_view op, const DimTexts& texts);

}  // namespace mj
