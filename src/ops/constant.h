// SPDX-License-Identifier: Apache-2.0
// constant{value}() = value
#pragma once

#include "ops/op.h"

namespace mj {

struct Constant {
  Tensor value = Tensor::zeros(DType::f32, {});

  static constexpr std::string_view kName = "constant";
  static constexpr auto kFields = std::tuple{field(1, "value", &Constant::value)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

}  // namespace mj
