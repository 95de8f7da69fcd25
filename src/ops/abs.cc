// SPDX-License-Identifier: Apache-2.0
// abs(x) = |x|
#include "ops/register.h"

namespace mj {

struct Abs {
  static constexpr std::string_view kName = "abs";
  static constexpr OnnxName kOnnx = {.name = "Abs", .since = 6};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::numbers;
  static constexpr std::string_view kBody = "fabs(x)";

  template <class T>
  T operator()(T x) const {
    if constexpr (std::is_integral_v<T>) {
      return std::is_signed_v<T> && x < 0 ? wrapping_sub(T{0}, x) : x;
    } else {
      return std::fabs(x);
    }
  }
  static std::optional<Dim> symbolic(std::span<const Dim> x) {
    return less_equal(Dim(0), x[0]) == Tri::yes ? std::optional(x[0]) : std::nullopt;
  }
};
MJ_REGISTER_OP(Abs)

}  // namespace mj
