// SPDX-License-Identifier: Apache-2.0
// constant_of_shape{value}(shape): a tensor of that shape whose every element is the one of `value`
#pragma once

#include "ops/op.h"

namespace mj {

struct ConstantOfShape {
  Tensor value = Tensor::zeros(DType::f32, {1});

  static constexpr std::string_view kName = "constant_of_shape";
  static constexpr OnnxName kOnnx = {.name = "ConstantOfShape", .since = 9};
  static constexpr auto kFields = std::tuple{field(1, "value", &ConstantOfShape::value)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

// The dims that an input says: its elements, or new symbols where only its length is known.
Result<Shape> shape_from_input(const InferContext& context, size_t i, std::string_view hint);

}  // namespace mj
