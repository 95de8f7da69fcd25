// SPDX-License-Identifier: Apache-2.0
// floor(x) = floor(x)
#include "ops/register.h"

namespace mj {

struct Floor {
  static constexpr std::string_view kName = "floor";
  static constexpr OnnxName kOnnx = {.name = "Floor", .since = 6};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "floor(x)";

  template <class T>
  T operator()(T x) const {
    return std::floor(x);
  }
};
MJ_REGISTER_OP(Floor)

}  // namespace mj
