// SPDX-License-Identifier: Apache-2.0
// gemm(a, b, c?) = alpha * a' * b' + beta * c, where a' is a or its transpose and c broadcasts to the result
#pragma once

#include "ops/op.h"

namespace mj {

struct Gemm {
  float alpha = 1.0f, beta = 1.0f;
  bool transA = false, transB = false;

  static constexpr std::string_view kName = "gemm";
  static constexpr OnnxName kOnnx = {.name = "Gemm", .since = 7};
  static constexpr auto kFields = std::tuple{field(1, "alpha", &Gemm::alpha), field(2, "beta", &Gemm::beta),
                                             field(3, "transA", &Gemm::transA), field(4, "transB", &Gemm::transB)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

}  // namespace mj
