// SPDX-License-Identifier: Apache-2.0
// reshape(data, shape): the same elements in the same order. In `shape`, -1 is whatever is left and 0 copies the dim of
// data at that place (with allowzero it is 0).
#pragma once

#include "ops/op.h"

namespace mj {

struct Reshape {
  bool allowzero = false;

  static constexpr std::string_view kName = "reshape";
  static constexpr OnnxName kOnnx = {.name = "Reshape", .since = 5};
  static constexpr auto kFields = std::tuple{field(1, "allowzero", &Reshape::allowzero)};
  static constexpr bool kStrings = true;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

}  // namespace mj
