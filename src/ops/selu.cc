// SPDX-License-Identifier: Apache-2.0
// selu(x) = gamma * (x > 0 ? x : alpha * expm1(x))
#include "ops/register.h"

namespace mj {

struct Selu {
  float alpha = 1.67326319217681884765625f;
  float gamma = 1.05070102214813232421875f;

  static constexpr std::string_view kName = "selu";
  static constexpr OnnxName kOnnx = {.name = "Selu", .since = 6};
  static constexpr auto kFields = std::tuple{field(1, "alpha", &Selu::alpha), field(2, "gamma", &Selu::gamma)};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "gamma * (x > 0 ? x : alpha * expm1(x))";

  template <class T>
  T operator()(T x) const {
    return static_cast<T>(gamma) * (x > 0 ? x : static_cast<T>(alpha) * std::expm1(x));
  }
};
MJ_REGISTER_OP(Selu)

}  // namespace mj
