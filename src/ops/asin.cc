// SPDX-License-Identifier: Apache-2.0
// asin(x) = asin(x)
#include "ops/register.h"

namespace mj {

struct Asin {
  static constexpr std::string_view kName = "asin";
  static constexpr OnnxName kOnnx = {.name = "Asin", .since = 7};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "asin(x)";

  template <class T>
  T operator()(T x) const {
    return std::asin(x);
  }
};
MJ_REGISTER_OP(Asin)

}  // namespace mj
