// SPDX-License-Identifier: Apache-2.0
// identity(x) = x
#include "ops/data_movement.h"
#include "ops/register.h"

namespace mj {

struct Identity {
  static constexpr std::string_view kName = "identity";
  static constexpr OnnxName kOnnx = {.name = "Identity", .since = 1};
  static constexpr auto kFields = std::tuple{};
  static constexpr int kArity = 1;
  static constexpr Types kTypes = Types::all;
  static constexpr std::string_view kBody = "x";
  static constexpr bool kBoxed = true;

  template <class T>
  T operator()(T x) const {
    return x;
  }
  InferResult infer(const InferContext& context) const {
    MJ_TRY(context.inputs_between(1, 1));
    ValueInfo info = context[0];
    if (!context.concrete()) info.contents = info.elements();
    info.constant = {};
    return one(std::move(info));
  }
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const {
    if (in[0].is_sequence()) {
      out[0] = in[0];
    } else {
      copy_all(in[0], out[0]);
    }
    return {};
  }
};
MJ_REGISTER_OP(Identity)

}  // namespace mj
