// SPDX-License-Identifier: Apache-2.0
// split{axis, sizes}(x): consecutive parts along the axis. Without sizes there are num_outputs (0: as many as
// the node has) equal ones; the last may be shorter.
#pragma once

#include "ops/op.h"

namespace mj {

struct Split {
  int64_t axis = 0;
  std::vector<int64_t> sizes;
  int64_t num_outputs = 0;

  static constexpr std::string_view kName = "split";
  static constexpr auto kFields = std::tuple{field(1, "axis", &Split::axis), field(2, "sizes", &Split::sizes),
                                             field(3, "num_outputs", &Split::num_outputs)};
  static constexpr bool kStrings = true;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

}  // namespace mj
