// SPDX-License-Identifier: Apache-2.0
// sequence_construct(x...) = the sequence of its inputs
#include "ops/register.h"
#include "ops/sequences.h"

namespace mj {

struct SequenceConstruct {
  static constexpr std::string_view kName = "sequence_construct";
  static constexpr OnnxName kOnnx = {.name = "SequenceConstruct", .since = 11};
  static constexpr auto kFields = std::tuple{};
  static constexpr bool kBoxed = true;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult SequenceConstruct::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, SIZE_MAX));
  Type element;
  for (size_t i = 0; i < context.inputs.size(); ++i) {
    MJ_TRY(require_tensor(context, i));
    MJ_TRY(context.same_dtype(0, i));
    const Type& type = context[i].type;
    if (i == 0) {
      element = type;
    } else {
      element.shape = common_shape(element.shape, type.shape);
    }
  }
  return one(ValueInfo::of(Type::sequence(std::move(element))));
}

Result<void> SequenceConstruct::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  std::vector<Tensor> items;
  for (const Tensor& item : in) items.push_back(copied(item));
  out[0] = Tensor::sequence(in[0].dtype(), std::move(items));
  return {};
}

MJ_REGISTER_OP(SequenceConstruct)

}  // namespace mj
