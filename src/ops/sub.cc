// SPDX-License-Identifier: Apache-2.0
// sub(x, y) = x - y; integers wrap as in ONNX
#include "ops/register.h"

namespace mj {

struct Sub {
  static constexpr std::string_view kName = "sub";
  static constexpr OnnxName kOnnx = {.name = "Sub", .since = 7};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 2;
  static constexpr Types kTypes = Types::numbers;
  static constexpr std::string_view kBody = "x - y";

  template <class T>
  T operator()(T x, T y) const {
    return wrapping_sub(x, y);
  }
  static std::optional<Dim> symbolic(std::span<const Dim> x) { return x[0] - x[1]; }
};
MJ_REGISTER_OP(Sub)

}  // namespace mj
