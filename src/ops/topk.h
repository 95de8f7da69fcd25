// SPDX-License-Identifier: Apache-2.0
// topk{axis, largest, sorted}(x, k): the k largest (or smallest) elements along the axis, and their i64 indices; of
// equal ones the first comes first
#pragma once

#include "ops/op.h"

namespace mj {

struct TopK {
  int64_t axis = -1;
  bool largest = true;
  bool sorted = true;

  static constexpr std::string_view kName = "topk";
  static constexpr auto kFields =
      std::tuple{field(1, "axis", &TopK::axis), field(2, "largest", &TopK::largest), field(3, "sorted", &TopK::sorted)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

}  // namespace mj
