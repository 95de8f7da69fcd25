// SPDX-License-Identifier: Apache-2.0
// relu(x) = x < 0 ? 0 : x
#include "ops/register.h"

namespace mj {

struct Relu {
  static constexpr std::string_view kName = "relu";
  static constexpr OnnxName kOnnx = {.name = "Relu", .since = 6};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::signed_numbers;
  static constexpr std::string_view kBody = "x < 0 ? 0 : x";

  template <class T>
  T operator()(T x) const {
    return x < 0 ? T{0} : x;
  }
};
MJ_REGISTER_OP(Relu)

}  // namespace mj
