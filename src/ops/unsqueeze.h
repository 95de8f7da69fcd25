// SPDX-License-Identifier: Apache-2.0
// unsqueeze{axes}(x): dims of 1 at these places of the result
#pragma once

#include "ops/op.h"

namespace mj {

struct Unsqueeze {
  std::vector<int64_t> axes;

  static constexpr std::string_view kName = "unsqueeze";
  static constexpr auto kFields = std::tuple{field(1, "axes", &Unsqueeze::axes)};
  static constexpr bool kStrings = true;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

}  // namespace mj
