// SPDX-License-Identifier: Apache-2.0
// cos(x) = cos(x)
#include "ops/register.h"

namespace mj {

struct Cos {
  static constexpr std::string_view kName = "cos";
  static constexpr OnnxName kOnnx = {.name = "Cos", .since = 7};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "cos(x)";

  template <class T>
  T operator()(T x) const {
    return std::cos(x);
  }
};
MJ_REGISTER_OP(Cos)

}  // namespace mj
