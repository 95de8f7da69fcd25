// SPDX-License-Identifier: Apache-2.0
// tan(x) = tan(x)
#include "ops/register.h"

namespace mj {

struct Tan {
  static constexpr std::string_view kName = "tan";
  static constexpr OnnxName kOnnx = {.name = "Tan", .since = 7};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "tan(x)";

  template <class T>
  T operator()(T x) const {
    return std::tan(x);
  }
};
MJ_REGISTER_OP(Tan)

}  // namespace mj
