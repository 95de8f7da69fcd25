// SPDX-License-Identifier: Apache-2.0
// gather{axis}(data, indices): takes whole slices of data along the axis; negative indices count from the end
#pragma once

#include "ops/op.h"

namespace mj {

struct Gather {
  int64_t axis = 0;

  static constexpr std::string_view kName = "gather";
  static constexpr OnnxName kOnnx = {.name = "Gather", .since = 1};
  static constexpr auto kFields = std::tuple{field(1, "axis", &Gather::axis)};
  static constexpr bool kStrings = true;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

}  // namespace mj
