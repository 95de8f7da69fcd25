// SPDX-License-Identifier: Apache-2.0
// layer_norm{axis, epsilon}(x, scale, bias?) = (x - mean) / sqrt(variance + epsilon) * scale + bias, the statistics
// over the dims from `axis` on. rms_norm{axis, epsilon}(x, scale) = x / sqrt(mean(x * x) + epsilon) * scale. scale and
// bias broadcast to x.
#pragma once

#include "ops/op.h"

namespace mj {

struct LayerNorm {
  int64_t axis = -1;
  float epsilon = 1e-5f;

  static constexpr std::string_view kName = "layer_norm";
  static constexpr auto kFields =
      std::tuple{field(1, "axis", &LayerNorm::axis), field(2, "epsilon", &LayerNorm::epsilon)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

struct RmsNorm {
  int64_t axis = -1;
  float epsilon = 1e-5f;

  static constexpr std::string_view kName = "rms_norm";
  static constexpr auto kFields = std::tuple{field(1, "axis", &RmsNorm::axis), field(2, "epsilon", &RmsNorm::epsilon)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

}  // namespace mj
