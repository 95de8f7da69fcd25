// SPDX-License-Identifier: Apache-2.0
// atanh(x) = atanh(x)
#include "ops/register.h"

namespace mj {

struct Atanh {
  static constexpr std::string_view kName = "atanh";
  static constexpr OnnxName kOnnx = {.name = "Atanh", .since = 9};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "atanh(x)";

  template <class T>
  T operator()(T x) const {
    return std::atanh(x);
  }
};
MJ_REGISTER_OP(Atanh)

}  // namespace mj
