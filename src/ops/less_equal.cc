// SPDX-License-Identifier: Apache-2.0
// less_equal(x, y) = x <= y
#include "ops/register.h"

namespace mj {

struct LessEqual {
  static constexpr std::string_view kName = "less_equal";
  static constexpr OnnxName kOnnx = {.name = "LessOrEqual", .since = 12};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 2;
  static constexpr Types kTypes = Types::numbers;
  static constexpr DType kResult = DType::boolean;
  static constexpr std::string_view kBody = "x <= y";

  template <class T>
  bool operator()(T x, T y) const {
    return x <= y;
  }
  static std::optional<Dim> symbolic(std::span<const Dim> x) {
    const Tri known = mj::less_equal(x[0], x[1]);
    return known == Tri::unknown ? std::nullopt : std::optional(Dim(known == Tri::yes));
  }
};
MJ_REGISTER_OP(LessEqual)

}  // namespace mj
