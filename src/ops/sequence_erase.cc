// SPDX-License-Identifier: Apache-2.0
// sequence_erase(s, i?) = s without s[i], negative i from the end; without i, without its last tensor
#include "ops/register.h"
#include "ops/sequences.h"

namespace mj {

struct SequenceErase {
  static constexpr std::string_view kName = "sequence_erase";
  static constexpr OnnxName kOnnx = {.name = "SequenceErase", .since = 11};
  static constexpr auto kFields = std::tuple{};
  static constexpr bool kBoxed = true;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult SequenceErase::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, 2));
  MJ_TRY(context.sequence(0));
  if (context.has(1)) MJ_TRY(require_position(context, 1));
  return one(ValueInfo::of(context[0].type));
}

Result<void> SequenceErase::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  std::vector<Tensor> items = in[0].items();
  const Tensor last = Tensor::scalar<int64_t>(-1);
  const Tensor& position = in.size() > 1 && in[1].present() ? in[1] : last;
  MJ_ASSIGN(const int64_t at, checked_position(kName, position, std::ssize(items), std::ssize(items)));
  items.erase(items.begin() + at);
  out[0] = Tensor::sequence(in[0].dtype(), std::move(items));
  return {};
}

MJ_REGISTER_OP(SequenceErase)

}  // namespace mj
