// SPDX-License-Identifier: Apache-2.0
// bitwise_xor(x, y) = x ^ y
#include "ops/register.h"

namespace mj {

struct BitwiseXor {
  static constexpr std::string_view kName = "bitwise_xor";
  static constexpr OnnxName kOnnx = {.name = "BitwiseXor", .since = 18};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 2;
  static constexpr Types kTypes = Types::integers;
  static constexpr std::string_view kBody = "x ^ y";

  template <class T>
  T operator()(T x, T y) const {
    return x ^ y;
  }
};
MJ_REGISTER_OP(BitwiseXor)

}  // namespace mj
