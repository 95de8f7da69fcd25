// SPDX-License-Identifier: Apache-2.0
// greater_equal(x, y) = x >= y
#include "ops/register.h"

namespace mj {

struct GreaterEqual {
  static constexpr std::string_view kName = "greater_equal";
  static constexpr OnnxName kOnnx = {.name = "GreaterOrEqual", .since = 12};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 2;
  static constexpr Types kTypes = Types::numbers;
  static constexpr DType kResult = DType::boolean;
  static constexpr std::string_view kBody = "x >= y";

  template <class T>
  bool operator()(T x, T y) const {
    return x >= y;
  }
  static std::optional<Dim> symbolic(std::span<const Dim> x) {
    const Tri known = mj::less_equal(x[1], x[0]);
    return known == Tri::unknown ? std::nullopt : std::optional(Dim(known == Tri::yes));
  }
};
MJ_REGISTER_OP(GreaterEqual)

}  // namespace mj
