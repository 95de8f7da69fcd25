// SPDX-License-Identifier: Apache-2.0
// equal(x, y) = x == y
#include "ops/register.h"

namespace mj {

struct Equal {
  static constexpr std::string_view kName = "equal";
  static constexpr OnnxName kOnnx = {.name = "Equal", .since = 7};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 2;
  static constexpr Types kTypes = Types::all;
  static constexpr DType kResult = DType::boolean;
  static constexpr std::string_view kBody = "x == y";

  template <class T>
  bool operator()(T x, T y) const {
    return x == y;
  }
  static void strings(std::span<const Tensor> in, Tensor& out) {
    for (size_t i = 0; i < in[0].string_data().size(); ++i) {
      out.mutable_data<bool>()[i] = in[0].string_data()[i] == in[1].string_data()[i];
    }
  }
  static std::optional<Dim> symbolic(std::span<const Dim> x) {
    const Tri known = mj::equal(x[0], x[1]);
    return known == Tri::unknown ? std::nullopt : std::optional(Dim(known == Tri::yes));
  }
};
MJ_REGISTER_OP(Equal)

}  // namespace mj
