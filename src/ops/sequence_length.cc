// SPDX-License-Identifier: Apache-2.0
// sequence_length(s): the number of tensors, as an i64 scalar
#include "ops/register.h"

namespace mj {

struct SequenceLength {
  static constexpr std::string_view kName = "sequence_length";
  static constexpr OnnxName kOnnx = {.name = "SequenceLength", .since = 11};
  static constexpr auto kFields = std::tuple{};
  static constexpr bool kBoxed = true;

  InferResult infer(const InferContext& context) const {
    MJ_TRY(context.inputs_between(1, 1));
    MJ_TRY(context.sequence(0));
    ValueInfo info = ValueInfo::of(Type::tensor(DType::i64, {}));
    if (!context.concrete() && context[0].contents) info.contents = std::vector<Dim>{0};
    return one(std::move(info));
  }
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const {
    out[0].mutable_data<int64_t>()[0] = std::ssize(in[0].items());
    return {};
  }
};
MJ_REGISTER_OP(SequenceLength)

}  // namespace mj
