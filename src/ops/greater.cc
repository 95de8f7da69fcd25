// SPDX-License-Identifier: Apache-2.0
// greater(x, y) = x > y
#include "ops/register.h"

namespace mj {

struct Greater {
  static constexpr std::string_view kName = "greater";
  static constexpr OnnxName kOnnx = {.name = "Greater", .since = 7};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 2;
  static constexpr Types kTypes = Types::numbers;
  static constexpr DType kResult = DType::boolean;
  static constexpr std::string_view kBody = "x > y";

  template <class T>
  bool operator()(T x, T y) const {
    return x > y;
  }
  static std::optional<Dim> symbolic(std::span<const Dim> x) {
    const Tri known = mj::less_equal(x[0], x[1]);
    return known == Tri::unknown ? std::nullopt : std::optional(Dim(known == Tri::no));
  }
};
MJ_REGISTER_OP(Greater)

}  // namespace mj
