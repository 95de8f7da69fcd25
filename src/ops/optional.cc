// SPDX-License-Identifier: Apache-2.0
// optional(x) = x, as something that might have been absent; optional{dtype, sequence}() is absent
#include "ops/register.h"
#include "ops/sequences.h"

namespace mj {

struct Optional {
  DType dtype = DType::f32;  // of what is not there
  bool sequence = false;

  static constexpr std::string_view kName = "optional";
  static constexpr auto kFields =
      std::tuple{field(1, "dtype", &Optional::dtype), field(2, "sequence", &Optional::sequence)};
  static constexpr bool kBoxed = true;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult Optional::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(0, 1));
  if (context.concrete()) return one(context.has(0) ? ValueInfo::of(context[0].type) : ValueInfo{});
  if (context.has(0)) {
    if (!context[0].type.is_optional()) return one(ValueInfo::of(context[0].type.as_optional()));
    return context.fail("an optional cannot hold " + to_string(context[0].type));
  }
  if (dtype == DType::none) return context.fail("it needs an element type");
  const Type inside = Type::unranked(dtype);
  return one(ValueInfo::of((sequence ? Type::sequence(inside) : inside).as_optional()));
}

Result<void> Optional::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  if (!in.empty() && in[0].present()) out[0] = in[0].is_sequence() ? in[0] : copied(in[0]);
  return {};
}

MJ_REGISTER_OP(Optional)

}  // namespace mj
