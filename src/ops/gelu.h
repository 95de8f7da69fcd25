// SPDX-License-Identifier: Apache-2.0
// gelu(x) = x * Phi(x); with approximate="tanh" Phi is 0.5 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))
#pragma once

#include <cmath>
#include <string>

#include "ops/pointwise.h"

namespace mj {

struct Gelu {
  std::string approximate = "none";

  static constexpr std::string_view kName = "gelu";
  static constexpr OnnxName kOnnx = {.name = "Gelu", .since = 20};
  static constexpr auto kFields = std::tuple{field(1, "approximate", &Gelu::approximate)};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody =
      "approximate ? 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)))"
      " : 0.5 * x * (1 + erf(x * 0.7071067811865476))";

  template <class T>
  T operator()(T x) const {
    if (approximate == "tanh") {
      return T(0.5) * x * (1 + std::tanh(T(0.7978845608028654) * (x + T(0.044715) * x * x * x)));
    }
    return T(0.5) * x * (1 + std::erf(x * T(0.7071067811865476)));
  }
};

}  // namespace mj
