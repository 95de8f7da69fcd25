// SPDX-License-Identifier: Apache-2.0
// tanh(x) = tanh(x)
#include "ops/register.h"

namespace mj {

struct Tanh {
  static constexpr std::string_view kName = "tanh";
  static constexpr OnnxName kOnnx = {.name = "Tanh", .since = 6};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "tanh(x)";

  template <class T>
  T operator()(T x) const {
    return std::tanh(x);
  }
};
MJ_REGISTER_OP(Tanh)

}  // namespace mj
