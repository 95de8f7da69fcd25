// SPDX-License-Identifier: Apache-2.0
// cosh(x) = cosh(x)
#include "ops/register.h"

namespace mj {

struct Cosh {
  static constexpr std::string_view kName = "cosh";
  static constexpr OnnxName kOnnx = {.name = "Cosh", .since = 9};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "cosh(x)";

  template <class T>
  T operator()(T x) const {
    return std::cosh(x);
  }
};
MJ_REGISTER_OP(Cosh)

}  // namespace mj
