// SPDX-License-Identifier: Apache-2.0
// loop{carried}(most?, condition?, carried..., captures...): runs its node's region again and again, as long as the
// condition holds (absent: always) and at most so many times (absent: no limit).
//   region(iteration, carried..., captures...) -> condition, carried..., items...
// Its results are what is carried after the last run, then the items of all runs stacked along a new first axis.
// The region lives in the graph and in the plan; the operator itself has no shape rule and no kernel.
#pragma once

#include "ops/op.h"

namespace mj {

struct Loop {
  int64_t carried = 0;

  static constexpr std::string_view kName = "loop";
  static constexpr auto kFields = std::tuple{field(1, "carried", &Loop::carried)};
  static constexpr bool kBoxed = true;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

}  // namespace mj
