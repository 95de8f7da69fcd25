// SPDX-License-Identifier: Apache-2.0
// slice(data, starts, ends, axes?, steps?): data[start:end:step] along each axis named, clamped as in Python
#pragma once

#include "ops/op.h"

namespace mj {

struct Slice {
  static constexpr std::string_view kName = "slice";
  static constexpr OnnxName kOnnx = {.name = "Slice", .since = 10};
  static constexpr auto kFields = std::tuple{};
  static constexpr bool kStrings = true;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

}  // namespace mj
