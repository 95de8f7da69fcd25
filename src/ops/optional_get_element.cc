// SPDX-License-Identifier: Apache-2.0
// optional_get_element(x) = x, which must be there
#include "ops/data_movement.h"
#include "ops/register.h"
#include "ops/sequences.h"

namespace mj {

struct OptionalGetElement {
  static constexpr std::string_view kName = "optional_get_element";
  static constexpr OnnxName kOnnx = {.name = "OptionalGetElement", .since = 15};
  static constexpr auto kFields = std::tuple{};
  static constexpr bool kBoxed = true;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult OptionalGetElement::infer(const InferContext& context) const {
  if (context.concrete() && !context.has(0)) return context.fail("the optional has no element");
  MJ_TRY(context.inputs_between(1, 1));
  const Type type = context[0].type.required();
  if (context.concrete() || !type.is_tensor()) return one(ValueInfo::of(type));
  return one(ValueInfo::of(taken_out(context, type)));
}

Result<void> OptionalGetElement::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  if (in[0].is_sequence()) {
    out[0] = in[0];
  } else {
    copy_all(in[0], out[0]);
  }
  return {};
}

MJ_REGISTER_OP(OptionalGetElement)

}  // namespace mj
