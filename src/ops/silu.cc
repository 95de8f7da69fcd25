// SPDX-License-Identifier: Apache-2.0
// silu(x) = x * sigmoid(x)
#include "ops/register.h"

namespace mj {

struct Silu {
  static constexpr std::string_view kName = "silu";
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "x / (1 + exp(-x))";

  template <class T>
  T operator()(T x) const {
    return x / (1 + std::exp(-x));
  }
};
MJ_REGISTER_OP(Silu)

}  // namespace mj
