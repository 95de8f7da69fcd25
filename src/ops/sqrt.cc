// SPDX-License-Identifier: Apache-2.0
// sqrt(x) = sqrt(x)
#include "ops/register.h"

namespace mj {

struct Sqrt {
  static constexpr std::string_view kName = "sqrt";
  static constexpr OnnxName kOnnx = {.name = "Sqrt", .since = 6};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "sqrt(x)";

  template <class T>
  T operator()(T x) const {
    return std::sqrt(x);
  }
};
MJ_REGISTER_OP(Sqrt)

}  // namespace mj
