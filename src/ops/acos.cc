// SPDX-License-Identifier: Apache-2.0
// acos(x) = acos(x)
#include "ops/register.h"

namespace mj {

struct Acos {
  static constexpr std::string_view kName = "acos";
  static constexpr OnnxName kOnnx = {.name = "Acos", .since = 7};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "acos(x)";

  template <class T>
  T operator()(T x) const {
    return std::acos(x);
  }
};
MJ_REGISTER_OP(Acos)

}  // namespace mj
