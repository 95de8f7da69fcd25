// SPDX-License-Identifier: Apache-2.0
// round(x): to the nearest integer, halves to even
#include "ops/register.h"

namespace mj {

struct Round {
  static constexpr std::string_view kName = "round";
  static constexpr OnnxName kOnnx = {.name = "Round", .since = 11};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "rint(x)";

  template <class T>
  T operator()(T x) const {
    return std::nearbyint(x);
  }
};
MJ_REGISTER_OP(Round)

}  // namespace mj
