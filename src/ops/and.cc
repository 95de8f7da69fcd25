// SPDX-License-Identifier: Apache-2.0
// and(x, y) = x && y
#include "ops/register.h"

namespace mj {

struct And {
  static constexpr std::string_view kName = "and";
  static constexpr OnnxName kOnnx = {.name = "And", .since = 7};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 2;
  static constexpr Types kTypes = Types::booleans;
  static constexpr DType kResult = DType::boolean;
  static constexpr std::string_view kBody = "x && y";

  template <class T>
  bool operator()(T x, T y) const {
    return x != 0 && y != 0;
  }
  static std::optional<Dim> symbolic(std::span<const Dim> x) {
    if (!x[0].constant() || !x[1].constant()) return std::nullopt;
    return Dim(And{}(*x[0].constant(), *x[1].constant()));
  }
};
MJ_REGISTER_OP(And)

}  // namespace mj
