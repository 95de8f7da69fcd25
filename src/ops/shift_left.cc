// SPDX-License-Identifier: Apache-2.0
// shift_left(x, y) = x << y, 0 where y is the width or more
#include "ops/register.h"

namespace mj {

struct ShiftLeft {
  static constexpr std::string_view kName = "shift_left";
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 2;
  static constexpr Types kTypes = Types::integers;
  static constexpr std::string_view kBody = "x << y";

  template <class T>
  T operator()(T x, T y) const {
    return static_cast<uint64_t>(y) < 64 ? static_cast<T>(static_cast<uint64_t>(x) << y) : T{0};
  }
};
MJ_REGISTER_OP(ShiftLeft)

}  // namespace mj
