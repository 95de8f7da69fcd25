// SPDX-License-Identifier: Apache-2.0
// neg(x) = -x
#include "ops/register.h"

namespace mj {

struct Neg {
  static constexpr std::string_view kName = "neg";
  static constexpr OnnxName kOnnx = {.name = "Neg", .since = 6};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::signed_numbers;
  static constexpr std::string_view kBody = "-x";

  template <class T>
  T operator()(T x) const {
    return std::is_integral_v<T> ? wrapping_sub(T{0}, x) : -x;
  }
  static std::optional<Dim> symbolic(std::span<const Dim> x) { return -x[0]; }
};
MJ_REGISTER_OP(Neg)

}  // namespace mj
