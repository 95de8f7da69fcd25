// SPDX-License-Identifier: Apache-2.0
// thresholded_relu(x) = x > alpha ? x : 0
#include "ops/register.h"

namespace mj {

struct ThresholdedRelu {
  float alpha = 1.0f;

  static constexpr std::string_view kName = "thresholded_relu";
  static constexpr OnnxName kOnnx = {.name = "ThresholdedRelu", .since = 10};
  static constexpr auto kFields = std::tuple{field(1, "alpha", &ThresholdedRelu::alpha)};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "x > alpha ? x : 0";

  template <class T>
  T operator()(T x) const {
    return x > static_cast<T>(alpha) ? x : T{0};
  }
};
MJ_REGISTER_OP(ThresholdedRelu)

}  // namespace mj
