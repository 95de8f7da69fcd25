// SPDX-License-Identifier: Apache-2.0
// cast{to}(x): the same number in another element type. Floats become integers by cutting off the fraction, saturating;
// integers wrap; anything but 0 becomes true; floats round to nearest even.
#pragma once

#include "ops/pointwise.h"

namespace mj {

struct Cast {
  DType to = DType::f32;
  bool saturate = true;           // to floats of a byte: what is too large becomes the largest number
  std::string round_mode = "up";  // to f8e8m0: away from zero; or "down", "nearest" (halves up)

  static constexpr std::string_view kName = "cast";
  static constexpr auto kFields = std::tuple{field(1, "to", &Cast::to), field(2, "saturate", &Cast::saturate),
                                             field(3, "round_mode", &Cast::round_mode)};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::all;
  static constexpr std::string_view kBody = "cast(x)";  // generated code knows both types

  // In bodies whose numbers are held as f32.
  float operator()(float x) const;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

// The nearest to x that is no larger than the largest number of a float of a byte or less. NaN stays.
float saturated(float x, DType to);

}  // namespace mj
