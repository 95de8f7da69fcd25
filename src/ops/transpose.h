// SPDX-License-Identifier: Apache-2.0
// transpose{perm}(x): dim d of the result is dim perm[d] of x; an empty perm reverses the dims
#pragma once

#include "ops/op.h"

namespace mj {

struct Transpose {
  std::vector<int64_t> perm;

  static constexpr std::string_view kName = "transpose";
  static constexpr OnnxName kOnnx = {.name = "Transpose", .since = 1};
  static constexpr auto kFields = std::tuple{field(1, "perm", &Transpose::perm)};
  static constexpr bool kStrings = true;

  std::vector<int64_t> order(int64_t rank) const;  // perm, or the reversal
  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

}  // namespace mj
