// SPDX-License-Identifier: Apache-2.0
// group_norm{num_groups, epsilon}(x, scale, bias): statistics over all elements of a group of channels of one image;
// instance_norm{epsilon}(x, scale, bias): the same with one channel a group. scale and bias are [C], x is [N,C,...], or
// [N,...,C] with channels_last.
#pragma once

#include "ops/op.h"

namespace mj {

struct GroupNorm {
  int64_t num_groups = 1;
  float epsilon = 1e-5f;
  bool channels_last = false;

  static constexpr std::string_view kName = "group_norm";
  static constexpr auto kFields =
      std::tuple{field(1, "num_groups", &GroupNorm::num_groups), field(2, "epsilon", &GroupNorm::epsilon),
                 field(3, "channels_last", &GroupNorm::channels_last)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

struct InstanceNorm {
  float epsilon = 1e-5f;
  bool channels_last = false;

  static constexpr std::string_view kName = "instance_norm";
  static constexpr OnnxName kOnnx = {.name = "InstanceNormalization", .since = 6};
  static constexpr auto kFields =
      std::tuple{field(1, "epsilon", &InstanceNorm::epsilon), field(2, "channels_last", &InstanceNorm::channels_last)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

}  // namespace mj
