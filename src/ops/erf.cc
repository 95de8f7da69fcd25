// SPDX-License-Identifier: Apache-2.0
// erf(x) = erf(x)
#include "ops/register.h"

namespace mj {

struct Erf {
  static constexpr std::string_view kName = "erf";
  static constexpr OnnxName kOnnx = {.name = "Erf", .since = 9};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "erf(x)";

  template <class T>
  T operator()(T x) const {
    return std::erf(x);
  }
};
MJ_REGISTER_OP(Erf)

}  // namespace mj
