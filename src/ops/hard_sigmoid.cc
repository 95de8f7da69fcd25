// SPDX-License-Identifier: Apache-2.0
// hard_sigmoid(x) = fmax(0, fmin(1, alpha * x + beta))
#include "ops/register.h"

namespace mj {

struct HardSigmoid {
  float alpha = 0.2f;
  float beta = 0.5f;

  static constexpr std::string_view kName = "hard_sigmoid";
  static constexpr OnnxName kOnnx = {.name = "HardSigmoid", .since = 6};
  static constexpr auto kFields =
      std::tuple{field(1, "alpha", &HardSigmoid::alpha), field(2, "beta", &HardSigmoid::beta)};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "fmax(0, fmin(1, alpha * x + beta))";

  template <class T>
  T operator()(T x) const {
    return std::fmax(T{0}, std::fmin(T{1}, static_cast<T>(alpha) * x + static_cast<T>(beta)));
  }
};
MJ_REGISTER_OP(HardSigmoid)

}  // namespace mj
