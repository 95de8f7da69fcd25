// SPDX-License-Identifier: Apache-2.0
// sin(x) = sin(x)
#include "ops/register.h"

namespace mj {

struct Sin {
  static constexpr std::string_view kName = "sin";
  static constexpr OnnxName kOnnx = {.name = "Sin", .since = 7};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "sin(x)";

  template <class T>
  T operator()(T x) const {
    return std::sin(x);
  }
};
MJ_REGISTER_OP(Sin)

}  // namespace mj
