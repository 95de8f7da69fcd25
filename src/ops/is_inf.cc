// SPDX-License-Identifier: Apache-2.0
// is_inf(x) = x is infinite, of the signs asked for
#include "ops/register.h"

namespace mj {

struct IsInf {
  bool detect_positive = true;
  bool detect_negative = true;

  static constexpr std::string_view kName = "is_inf";
  static constexpr OnnxName kOnnx = {.name = "IsInf", .since = 10};
  static constexpr auto kFields = std::tuple{field(1, "detect_positive", &IsInf::detect_positive),
                                             field(2, "detect_negative", &IsInf::detect_negative)};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr DType kResult = DType::boolean;
  static constexpr std::string_view kBody = "fabs(x) == INFINITY && (x > 0 ? detect_positive : detect_negative)";

  template <class T>
  bool operator()(T x) const {
    return std::isinf(x) && (x > 0 ? detect_positive : detect_negative);
  }
};
MJ_REGISTER_OP(IsInf)

}  // namespace mj
