// SPDX-License-Identifier: Apache-2.0
// shift_right(x, y) = x >> y, the sign coming in from the left; where y is negative, or the width or more, all of it
// has
#include "ops/register.h"

namespace mj {

struct ShiftRight {
  static constexpr std::string_view kName = "shift_right";
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 2;
  static constexpr Types kTypes = Types::integers;
  static constexpr std::string_view kBody = "x >> y";

  template <class T>
  T operator()(T x, T y) const {
    if (static_cast<uint64_t>(y) < 64) return static_cast<T>(x >> y);
    return x < T{0} ? static_cast<T>(-1) : T{0};
  }
};
MJ_REGISTER_OP(ShiftRight)

}  // namespace mj
