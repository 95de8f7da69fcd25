// SPDX-License-Identifier: Apache-2.0
// asinh(x) = asinh(x)
#include "ops/register.h"

namespace mj {

struct Asinh {
  static constexpr std::string_view kName = "asinh";
  static constexpr OnnxName kOnnx = {.name = "Asinh", .since = 9};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "asinh(x)";

  template <class T>
  T operator()(T x) const {
    return std::asinh(x);
  }
};
MJ_REGISTER_OP(Asinh)

}  // namespace mj
