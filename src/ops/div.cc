// SPDX-License-Identifier: Apache-2.0
// div(x, y) = x / y; integers round towards zero
#include "ops/register.h"

namespace mj {

struct Div {
  static constexpr std::string_view kName = "div";
  static constexpr OnnxName kOnnx = {.name = "Div", .since = 7};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 2;
  static constexpr Types kTypes = Types::numbers;
  static constexpr std::string_view kBody = "x / y";

  template <class T>
  T operator()(T x, T y) const {
    if constexpr (std::is_integral_v<T>) {
      if (y == 0) return 0;  // refused by check()
      // The smallest number has no negative: dividing it would trap.
      if (std::is_signed_v<T> && y == static_cast<T>(-1)) return wrapping_sub(T{0}, x);
      return x / y;
    } else {
      return x / y;
    }
  }
  static std::optional<Dim> symbolic(std::span<const Dim> x) {
    if (x[0].constant() && x[1].constant() && *x[1].constant() != 0) {
      return Dim(Div{}(*x[0].constant(), *x[1].constant()));
    }
    const bool positive = less_equal(Dim(0), x[0]) == Tri::yes && less_equal(Dim(1), x[1]) == Tri::yes;
    return positive ? std::optional(floor_div(x[0], x[1])) : std::nullopt;
  }
  static Result<void> check(std::span<const Tensor> in) {
    if (!is_integer(in[1].dtype())) return {};
    for (int64_t divisor : in[1].to_i64()) {
      if (divisor == 0) return model_error("div: an integer is divided by zero");
    }
    return {};
  }
};
MJ_REGISTER_OP(Div)

}  // namespace mj
