// SPDX-License-Identifier: Apache-2.0
// softplus(x) = log(1 + exp(x)), without overflow
#include "ops/register.h"

namespace mj {

struct Softplus {
  static constexpr std::string_view kName = "softplus";
  static constexpr OnnxName kOnnx = {.name = "Softplus", .since = 1};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "x > 0 ? x + log1p(exp(-x)) : log1p(exp(x))";

  template <class T>
  T operator()(T x) const {
    return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
  }
};
MJ_REGISTER_OP(Softplus)

}  // namespace mj
