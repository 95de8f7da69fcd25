// SPDX-License-Identifier: Apache-2.0
// atan(x) = atan(x)
#include "ops/register.h"

namespace mj {

struct Atan {
  static constexpr std::string_view kName = "atan";
  static constexpr OnnxName kOnnx = {.name = "Atan", .since = 7};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "atan(x)";

  template <class T>
  T operator()(T x) const {
    return std::atan(x);
  }
};
MJ_REGISTER_OP(Atan)

}  // namespace mj
