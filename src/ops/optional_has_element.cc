// SPDX-License-Identifier: Apache-2.0
// optional_has_element(x?): whether x is there. A tensor or sequence always is.
#include "ops/register.h"

namespace mj {

struct OptionalHasElement {
  static constexpr std::string_view kName = "optional_has_element";
  static constexpr OnnxName kOnnx = {.name = "OptionalHasElement", .since = 15};
  static constexpr auto kFields = std::tuple{};
  static constexpr bool kBoxed = true;

  InferResult infer(const InferContext& context) const {
    MJ_TRY(context.inputs_between(0, 1));
    ValueInfo info = ValueInfo::of(Type::tensor(DType::boolean, {}));
    const bool known = !context.has(0) || !context[0].type.is_optional();
    if (known && !context.concrete()) info.contents = std::vector<Dim>{context.has(0) ? 1 : 0};
    return one(std::move(info));
  }
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const {
    out[0].mutable_data<bool>()[0] = !in.empty() && in[0].present();
    return {};
  }
};
MJ_REGISTER_OP(OptionalHasElement)

}  // namespace mj
