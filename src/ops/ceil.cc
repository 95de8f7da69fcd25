// SPDX-License-Identifier: Apache-2.0
// ceil(x) = ceil(x)
#include "ops/register.h"

namespace mj {

struct Ceil {
  static constexpr std::string_view kName = "ceil";
  static constexpr OnnxName kOnnx = {.name = "Ceil", .since = 6};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "ceil(x)";

  template <class T>
  T operator()(T x) const {
    return std::ceil(x);
  }
};
MJ_REGISTER_OP(Ceil)

}  // namespace mj
