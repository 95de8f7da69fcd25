// SPDX-License-Identifier: Apache-2.0
// if(condition, captures...): runs the first of its node's two regions when the condition is true, else the second.
// Regions live in the graph and in the plan; the operator itself has no shape rule and no kernel.
#pragma once

#include "ops/op.h"

namespace mj {

struct If {
  static constexpr std::string_view kName = "if";
  static constexpr auto kFields = std::tuple{};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

}  // namespace mj
