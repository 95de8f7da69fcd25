// SPDX-License-Identifier: Apache-2.0
// softsign(x) = x / (1 + fabs(x))
#include "ops/register.h"

namespace mj {

struct Softsign {
  static constexpr std::string_view kName = "softsign";
  static constexpr OnnxName kOnnx = {.name = "Softsign", .since = 1};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "x / (1 + fabs(x))";

  template <class T>
  T operator()(T x) const {
    return x / (1 + std::fabs(x));
  }
};
MJ_REGISTER_OP(Softsign)

}  // namespace mj
