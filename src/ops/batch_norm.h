// SPDX-License-Identifier: Apache-2.0
// batch_norm{epsilon}(x, scale, bias, mean, variance) = (x - mean) / sqrt(variance + epsilon) * scale + bias, where x
// is [N,C,...] and the others are [C]
#pragma once

#include "ops/op.h"

namespace mj {

struct BatchNorm {
  float epsilon = 1e-5f;

  static constexpr std::string_view kName = "batch_norm";
  static constexpr auto kFields = std::tuple{field(1, "epsilon", &BatchNorm::epsilon)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

}  // namespace mj
