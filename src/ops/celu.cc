// SPDX-License-Identifier: Apache-2.0
// celu(x) = x > 0 ? x : alpha * expm1(x / alpha)
#include "ops/register.h"

namespace mj {

struct Celu {
  float alpha = 1.0f;

  static constexpr std::string_view kName = "celu";
  static constexpr OnnxName kOnnx = {.name = "Celu", .since = 12};
  static constexpr auto kFields = std::tuple{field(1, "alpha", &Celu::alpha)};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "x > 0 ? x : alpha * expm1(x / alpha)";

  template <class T>
  T operator()(T x) const {
    return x > 0 ? x : static_cast<T>(alpha) * std::expm1(x / static_cast<T>(alpha));
  }
};
MJ_REGISTER_OP(Celu)

}  // namespace mj
