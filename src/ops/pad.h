// SPDX-License-Identifier: Apache-2.0
// pad{mode}(data, pads, value?, axes?): pads begins then ends of each axis; negative pads cut. Modes: constant,
// reflect, edge, wrap.
#pragma once

#include "ops/op.h"

namespace mj {

struct Pad {
  std::string mode = "constant";

  static constexpr std::string_view kName = "pad";
  static constexpr auto kFields = std::tuple{field(1, "mode", &Pad::mode)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

}  // namespace mj
