// SPDX-License-Identifier: Apache-2.0
// clip(x) = min(max(x, min), max); NaN stays NaN. Integers are clipped to the integers within [min, max].
#pragma once

#include <cmath>
#include <limits>

#include "ops/pointwise.h"

namespace mj {

struct Clip {
  float min = -std::numeric_limits<float>::infinity();
  float max = std::numeric_limits<float>::infinity();

  static constexpr std::string_view kName = "clip";
  static constexpr auto kFields = std::tuple{field(1, "min", &Clip::min), field(2, "max", &Clip::max)};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::numbers;
  static constexpr std::string_view kBody = "x < min ? min : x > max ? max : x";

  template <class T>
  T operator()(T x) const {
    if constexpr (std::is_integral_v<T>) {
      // Compared as floats, but only bounds that are numbers of T are ever converted.
      if (static_cast<double>(x) < std::ceil(min)) return bound<T>(std::ceil(min));
      if (static_cast<double>(x) > std::floor(max)) return bound<T>(std::floor(max));
      return x;
    } else {
      return x < static_cast<T>(min) ? static_cast<T>(min) : x > static_cast<T>(max) ? static_cast<T>(max) : x;
    }
  }

 private:
  template <class T>
  static T bound(float value) {
    if (value >= std::ldexp(1.0f, std::numeric_limits<T>::digits)) return std::numeric_limits<T>::max();
    if (value < static_cast<float>(std::numeric_limits<T>::lowest())) return std::numeric_limits<T>::lowest();
    return static_cast<T>(value);
  }
};

}  // namespace mj
