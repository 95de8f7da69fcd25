// SPDX-License-Identifier: Apache-2.0
// elu(x) = x > 0 ? x : alpha * (exp(x) - 1)
#include "ops/register.h"

namespace mj {

struct Elu {
  float alpha = 1.0f;

  static constexpr std::string_view kName = "elu";
  static constexpr OnnxName kOnnx = {.name = "Elu", .since = 6};
  static constexpr auto kFields = std::tuple{field(1, "alpha", &Elu::alpha)};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "x > 0 ? x : alpha * expm1(x)";

  template <class T>
  T operator()(T x) const {
    return x > 0 ? x : static_cast<T>(alpha) * std::expm1(x);
  }
};
MJ_REGISTER_OP(Elu)

}  // namespace mj
