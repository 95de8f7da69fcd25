// SPDX-License-Identifier: Apache-2.0
// concat{axis}(x...): the inputs one after the other along the axis
#pragma once

#include "ops/op.h"

namespace mj {

struct Concat {
  int64_t axis = 0;

  static constexpr std::string_view kName = "concat";
  static constexpr OnnxName kOnnx = {.name = "Concat", .since = 4};
  static constexpr auto kFields = std::tuple{field(1, "axis", &Concat::axis)};
  static constexpr bool kStrings = true;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

}  // namespace mj
