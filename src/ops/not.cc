// SPDX-License-Identifier: Apache-2.0
// not(x) = !x
#include "ops/register.h"

namespace mj {

struct Not {
  static constexpr std::string_view kName = "not";
  static constexpr OnnxName kOnnx = {.name = "Not", .since = 1};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::booleans;
  static constexpr DType kResult = DType::boolean;
  static constexpr std::string_view kBody = "!x";

  template <class T>
  bool operator()(T x) const {
    return x == 0;
  }
  static std::optional<Dim> symbolic(std::span<const Dim> x) {
    if (!x[0].constant()) return std::nullopt;
    return Dim(Not{}(*x[0].constant()));
  }
};
MJ_REGISTER_OP(Not)

}  // namespace mj
