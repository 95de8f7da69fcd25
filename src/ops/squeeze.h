// SPDX-License-Identifier: Apache-2.0
// squeeze{axes}(x): drops these dims, which must be 1; all dims of 1 where axes are empty
#pragma once

#include "ops/op.h"

namespace mj {

struct Squeeze {
  std::vector<int64_t> axes;

  static constexpr std::string_view kName = "squeeze";
  static constexpr auto kFields = std::tuple{field(1, "axes", &Squeeze::axes)};
  static constexpr bool kStrings = true;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

}  // namespace mj
