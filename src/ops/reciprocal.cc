// SPDX-License-Identifier: Apache-2.0
// reciprocal(x) = 1 / x
#include "ops/register.h"

namespace mj {

struct Reciprocal {
  static constexpr std::string_view kName = "reciprocal";
  static constexpr OnnxName kOnnx = {.name = "Reciprocal", .since = 6};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "1 / x";

  template <class T>
  T operator()(T x) const {
    return 1 / x;
  }
};
MJ_REGISTER_OP(Reciprocal)

}  // namespace mj
