// SPDX-License-Identifier: Apache-2.0
// shrink(x) = x < -lambd ? x + bias : x > lambd ? x - bias : 0
#include "ops/register.h"

namespace mj {

struct Shrink {
  float bias = 0.0f;
  float lambd = 0.5f;

  static constexpr std::string_view kName = "shrink";
  static constexpr OnnxName kOnnx = {.name = "Shrink", .since = 9};
  static constexpr auto kFields = std::tuple{field(1, "bias", &Shrink::bias), field(2, "lambd", &Shrink::lambd)};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "x < -lambd ? x + bias : x > lambd ? x - bias : 0";

  template <class T>
  T operator()(T x) const {
    const T limit = static_cast<T>(lambd), shift = static_cast<T>(bias);
    return x < -limit ? x + shift : x > limit ? x - shift : T{0};
  }
};
MJ_REGISTER_OP(Shrink)

}  // namespace mj
