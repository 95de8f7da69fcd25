// SPDX-License-Identifier: Apache-2.0
// expand(data, shape): broadcasts data with a tensor of that shape
#pragma once

#include "ops/op.h"

namespace mj {

struct Expand {
  static constexpr std::string_view kName = "expand";
  static constexpr OnnxName kOnnx = {.name = "Expand", .since = 8};
  static constexpr auto kFields = std::tuple{};
  static constexpr bool kStrings = true;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

}  // namespace mj
