// SPDX-License-Identifier: Apache-2.0
// size(x): the number of elements, as an i64 scalar
#include "ops/register.h"

namespace mj {

struct SizeOf {
  static constexpr std::string_view kName = "size";
  static constexpr OnnxName kOnnx = {.name = "Size", .since = 1};
  static constexpr auto kFields = std::tuple{};
  static constexpr bool kStrings = true;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult SizeOf::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, 1));
  MJ_TRY(context.ranked(0));
  return one(ValueInfo::of_contents(element_count(context.shape(0))));
}

Result<void> SizeOf::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  out[0].mutable_data<int64_t>()[0] = in[0].size();
  return {};
}

MJ_REGISTER_OP(SizeOf)

}  // namespace mj
