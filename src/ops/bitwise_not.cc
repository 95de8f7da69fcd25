// SPDX-License-Identifier: Apache-2.0
// bitwise_not(x) = ~x
#include "ops/register.h"

namespace mj {

struct BitwiseNot {
  static constexpr std::string_view kName = "bitwise_not";
  static constexpr OnnxName kOnnx = {.name = "BitwiseNot", .since = 18};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::integers;
  static constexpr std::string_view kBody = "~x";

  template <class T>
  T operator()(T x) const {
    return ~x;
  }
};
MJ_REGISTER_OP(BitwiseNot)

}  // namespace mj
