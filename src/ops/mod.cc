// SPDX-License-Identifier: Apache-2.0
// mod(x, y) = x - y * floor(x / y), with the sign of y; with fmod it has the sign of x
#include "ops/register.h"

namespace mj {

struct Mod {
  bool fmod = false;

  static constexpr std::string_view kName = "mod";
  static constexpr OnnxName kOnnx = {.name = "Mod", .since = 10};
  static constexpr auto kFields = std::tuple{field(1, "fmod", &Mod::fmod)};
  static constexpr int kArity = 2;
  static constexpr Types kTypes = Types::numbers;
  static constexpr std::string_view kBody = "x - y * floor(x / y)";

  template <class T>
  T operator()(T x, T y) const {
    if constexpr (std::is_integral_v<T>) {
      if (y == 0 || y == static_cast<T>(-1))
        return std::is_signed_v<T> || y == 0 ? 0 : x % y;  // 0 is refused by check()
      const T rest = x % y;
      return !fmod && rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest;
    } else {
      const T rest = std::fmod(x, y);
      return !fmod && rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest;
    }
  }
  static std::optional<Dim> symbolic(std::span<const Dim> x) {
    if (less_equal(Dim(0), x[0]) != Tri::yes || less_equal(Dim(1), x[1]) != Tri::yes) return std::nullopt;
    return mj::mod(x[0], x[1]);
  }
  static Result<void> check(std::span<const Tensor> in) {
    if (!is_integer(in[1].dtype())) return {};
    for (int64_t divisor : in[1].to_i64()) {
      if (divisor == 0) return model_error("mod: an integer is divided by zero");
    }
    return {};
  }
};
MJ_REGISTER_OP(Mod)

}  // namespace mj
