// SPDX-License-Identifier: Apache-2.0
// is_nan(x) = x is not a number
#include "ops/register.h"

namespace mj {

struct IsNan {
  static constexpr std::string_view kName = "is_nan";
  static constexpr OnnxName kOnnx = {.name = "IsNaN", .since = 9};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr DType kResult = DType::boolean;
  static constexpr std::string_view kBody = "x != x";

  template <class T>
  bool operator()(T x) const {
    return std::isnan(x);
  }
};
MJ_REGISTER_OP(IsNan)

}  // namespace mj
