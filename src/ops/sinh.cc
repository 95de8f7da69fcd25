// SPDX-License-Identifier: Apache-2.0
// sinh(x) = sinh(x)
#include "ops/register.h"

namespace mj {

struct Sinh {
  static constexpr std::string_view kName = "sinh";
  static constexpr OnnxName kOnnx = {.name = "Sinh", .since = 9};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "sinh(x)";

  template <class T>
  T operator()(T x) const {
    return std::sinh(x);
  }
};
MJ_REGISTER_OP(Sinh)

}  // namespace mj
