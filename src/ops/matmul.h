// SPDX-License-Identifier: Apache-2.0
// matmul(a, b): NumPy's product; the last two dims are matrices, the ones before broadcast, vectors lose their dim
// again
#pragma once

#include "ops/op.h"

namespace mj {

struct MatMul {
  static constexpr std::string_view kName = "matmul";
  static constexpr OnnxName kOnnx = {.name = "MatMul", .since = 1};
  static constexpr auto kFields = std::tuple{};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

}  // namespace mj
