// SPDX-License-Identifier: Apache-2.0
// sign(x) = x != x ? x : (x > 0) - (x < 0)
#include "ops/register.h"

namespace mj {

struct Sign {
  static constexpr std::string_view kName = "sign";
  static constexpr OnnxName kOnnx = {.name = "Sign", .since = 9};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::numbers;
  static constexpr std::string_view kBody = "x != x ? x : (x > 0) - (x < 0)";

  template <class T>
  T operator()(T x) const {
    if (is_nan(x)) return x;
    return static_cast<T>((x > 0) - (x < 0));
  }
};
MJ_REGISTER_OP(Sign)

}  // namespace mj
