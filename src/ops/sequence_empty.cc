// SPDX-License-Identifier: Apache-2.0
// sequence_empty{dtype}() = a sequence of no tensors
#include "ops/register.h"

namespace mj {

struct SequenceEmpty {
  DType dtype = DType::f32;

  static constexpr std::string_view kName = "sequence_empty";
  static constexpr auto kFields = std::tuple{field(1, "dtype", &SequenceEmpty::dtype)};

  InferResult infer(const InferContext& context) const {
    MJ_TRY(context.inputs_between(0, 0));
    if (dtype == DType::none) return context.fail("it needs an element type");
    ValueInfo info = ValueInfo::of(Type::sequence(Type::unranked(dtype)));
    info.contents.emplace();
    return one(std::move(info));
  }
  Result<void> reference(std::span<const Tensor>, std::span<Tensor>) const { return {}; }
};
MJ_REGISTER_OP(SequenceEmpty)

}  // namespace mj
