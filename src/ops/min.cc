// SPDX-License-Identifier: Apache-2.0
// min(x, y), NaN if either is
#include "ops/register.h"

namespace mj {

struct Min {
  static constexpr std::string_view kName = "min";
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 2;
  static constexpr Types kTypes = Types::numbers;
  static constexpr std::string_view kBody = "x < y || x != x ? x : y";

  template <class T>
  T operator()(T x, T y) const {
    return x < y || is_nan(x) ? x : y;
  }
  static std::optional<Dim> symbolic(std::span<const Dim> x) { return mj::min(x[0], x[1]); }
};
MJ_REGISTER_OP(Min)

}  // namespace mj
