// SPDX-License-Identifier: Apache-2.0
// hard_swish(x) = x * fmax(0, fmin(1, x / 6 + 0.5))
#include "ops/register.h"

namespace mj {

struct HardSwish {
  static constexpr std::string_view kName = "hard_swish";
  static constexpr OnnxName kOnnx = {.name = "HardSwish", .since = 14};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "x * fmax(0, fmin(1, x / 6 + 0.5))";

  template <class T>
  T operator()(T x) const {
    return x * std::fmax(T{0}, std::fmin(T{1}, x / 6 + T{0.5}));
  }
};
MJ_REGISTER_OP(HardSwish)

}  // namespace mj
