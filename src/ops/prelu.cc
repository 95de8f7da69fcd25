// SPDX-License-Identifier: Apache-2.0
// prelu(x, slope) = x < 0 ? slope * x : x
#include "ops/register.h"

namespace mj {

struct Prelu {
  static constexpr std::string_view kName = "prelu";
  static constexpr OnnxName kOnnx = {.name = "PRelu", .since = 7};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 2;
  static constexpr Types kTypes = Types::signed_numbers;
  static constexpr std::string_view kBody = "x < 0 ? y * x : x";

  template <class T>
  T operator()(T x, T y) const {
    return x < 0 ? wrapping_mul(y, x) : x;
  }
};
MJ_REGISTER_OP(Prelu)

}  // namespace mj
