// SPDX-License-Identifier: Apache-2.0
// cast{to}(x): the same number in another element type. Floats become integers by cutting off the fraction, saturating;
// integers wrap; anything but 0 becomes true; floats round to nearest even, f8 saturates.
#pragma once

#include "ops/pointwise.h"

namespace mj {

struct Cast {
  DType to = DType::f32;

  static constexpr std::string_view kName = "cast";
  static constexpr auto kFields = std::tuple{field(1, "to", &Cast::to)};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::all;
  static constexpr std::string_view kBody = "cast(x)";  // generated code knows both types

  // In bodies whose numbers are held as f32.
  float operator()(float x) const;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

}  // namespace mj
