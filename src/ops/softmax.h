// SPDX-License-Identifier: Apache-2.0
// softmax{axis}(x) = exp(x - max) / sum(exp(x - max)) along the axis
#pragma once

#include "ops/op.h"

namespace mj {

struct Softmax {
  int64_t axis = -1;

  static constexpr std::string_view kName = "softmax";
  static constexpr OnnxName kOnnx = {.name = "Softmax", .since = 13};
  static constexpr auto kFields = std::tuple{field(1, "axis", &Softmax::axis)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

}  // namespace mj
