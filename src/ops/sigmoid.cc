// SPDX-License-Identifier: Apache-2.0
// sigmoid(x) = 1 / (1 + exp(-x))
#include "ops/register.h"

namespace mj {

struct Sigmoid {
  static constexpr std::string_view kName = "sigmoid";
  static constexpr OnnxName kOnnx = {.name = "Sigmoid", .since = 6};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "1 / (1 + exp(-x))";

  template <class T>
  T operator()(T x) const {
    return 1 / (1 + std::exp(-x));
  }
};
MJ_REGISTER_OP(Sigmoid)

}  // namespace mj
