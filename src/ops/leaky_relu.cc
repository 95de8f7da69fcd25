// SPDX-License-Identifier: Apache-2.0
// leaky_relu(x) = x < 0 ? alpha * x : x
#include "ops/register.h"

namespace mj {

struct LeakyRelu {
  float alpha = 0.01f;

  static constexpr std::string_view kName = "leaky_relu";
  static constexpr OnnxName kOnnx = {.name = "LeakyRelu", .since = 6};
  static constexpr auto kFields = std::tuple{field(1, "alpha", &LeakyRelu::alpha)};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "x < 0 ? alpha * x : x";

  template <class T>
  T operator()(T x) const {
    return x < 0 ? static_cast<T>(alpha) * x : x;
  }
};
MJ_REGISTER_OP(LeakyRelu)

}  // namespace mj
