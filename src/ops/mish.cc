// SPDX-License-Identifier: Apache-2.0
// mish(x) = x * tanh(softplus(x))
#include "ops/register.h"

namespace mj {

struct Mish {
  static constexpr std::string_view kName = "mish";
  static constexpr OnnxName kOnnx = {.name = "Mish", .since = 18};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "x * tanh(x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)))";

  template <class T>
  T operator()(T x) const {
    const T softplus = x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
    return x * std::tanh(softplus);
  }
};
MJ_REGISTER_OP(Mish)

}  // namespace mj
