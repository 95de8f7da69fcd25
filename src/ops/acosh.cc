// SPDX-License-Identifier: Apache-2.0
// acosh(x) = acosh(x)
#include "ops/register.h"

namespace mj {

struct Acosh {
  static constexpr std::string_view kName = "acosh";
  static constexpr OnnxName kOnnx = {.name = "Acosh", .since = 9};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "acosh(x)";

  template <class T>
  T operator()(T x) const {
    return std::acosh(x);
  }
};
MJ_REGISTER_OP(Acosh)

}  // namespace mj
