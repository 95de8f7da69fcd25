// SPDX-License-Identifier: Apache-2.0
// pow(x, y) = x to the power of y; integers wrap
#include "ops/register.h"

namespace mj {

struct Pow {
  static constexpr std::string_view kName = "pow";
  static constexpr OnnxName kOnnx = {.name = "Pow", .since = 7};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 2;
  static constexpr Types kTypes = Types::numbers;
  static constexpr std::string_view kBody = "pow(x, y)";

  template <class T>
  T operator()(T x, T y) const {
    if constexpr (std::is_integral_v<T>) {
      if (y < 0) return x == 1 ? 1 : x == static_cast<T>(-1) ? (y % 2 ? x : 1) : 0;
      T result = 1;
      for (T base = x; y > 0; y /= 2, base = wrapping_mul(base, base)) {
        if (y % 2) result = wrapping_mul(result, base);
      }
      return result;
    } else {
      return std::pow(x, y);
    }
  }
};
MJ_REGISTER_OP(Pow)

}  // namespace mj
