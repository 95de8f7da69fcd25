// SPDX-License-Identifier: Apache-2.0
// rsqrt(x) = 1 / sqrt(x)
#include "ops/register.h"

namespace mj {

struct Rsqrt {
  static constexpr std::string_view kName = "rsqrt";
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "1 / sqrt(x)";

  template <class T>
  T operator()(T x) const {
    return 1 / std::sqrt(x);
  }
};
MJ_REGISTER_OP(Rsqrt)

}  // namespace mj
