// SPDX-License-Identifier: Apache-2.0
// log(x) = log(x)
#include "ops/register.h"

namespace mj {

struct Log {
  static constexpr std::string_view kName = "log";
  static constexpr OnnxName kOnnx = {.name = "Log", .since = 6};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::floats;
  static constexpr std::string_view kBody = "log(x)";

  template <class T>
  T operator()(T x) const {
    return std::log(x);
  }
};
MJ_REGISTER_OP(Log)

}  // namespace mj
