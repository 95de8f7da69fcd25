// SPDX-License-Identifier: Apache-2.0
// exp(x) = exp(x)
#include "ops/register.h"

namespace mj {

struct Exp {
  static constexpr std::string_view kName = "exp";
  static constexpr OnnxName kOnnx = {.name = "Exp", .since = 6};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "exp(x)";

  template <class T>
  T operator()(T x) const {
    return std::exp(x);
  }
};
MJ_REGISTER_OP(Exp)

}  // namespace mj
