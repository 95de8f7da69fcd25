// SPDX-License-Identifier: Apache-2.0
// where(x, y, z) = x ? y : z
#include "ops/register.h"

namespace mj {

struct Where {
  static constexpr std::string_view kName = "where";
  static constexpr OnnxName kOnnx = {.name = "Where", .since = 9};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 3;
  static constexpr Types kTypes = Types::all;
  static constexpr bool kCondition = true;
  static constexpr std::string_view kBody = "x ? y : z";

  template <class T>
  T operator()(T x, T y, T z) const {
    return x != 0 ? y : z;
  }
  static void strings(std::span<const Tensor> in, Tensor& out) {
    for (size_t i = 0; i < out.string_data().size(); ++i) {
      out.mutable_string_data()[i] = in[in[0].data<bool>()[i] ? 1 : 2].string_data()[i];
    }
  }
  static std::optional<Dim> symbolic(std::span<const Dim> x) {
    if (x[0].constant()) return *x[0].constant() != 0 ? x[1] : x[2];
    return mj::equal(x[1], x[2]) == Tri::yes ? std::optional(x[1]) : std::nullopt;
  }
};
MJ_REGISTER_OP(Where)

}  // namespace mj
