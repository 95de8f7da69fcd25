// SPDX-License-Identifier: Apache-2.0
// sequence_at(s, i) = s[i], negative i from the end
#include "ops/data_movement.h"
#include "ops/register.h"
#include "ops/sequences.h"

namespace mj {

struct SequenceAt {
  static constexpr std::string_view kName = "sequence_at";
  static constexpr OnnxName kOnnx = {.name = "SequenceAt", .since = 11};
  static constexpr auto kFields = std::tuple{};
  static constexpr bool kBoxed = true;

  static Result<Tensor> item(const Tensor& sequence, const Tensor& position);
  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

Result<Tensor> SequenceAt::item(const Tensor& sequence, const Tensor& position) {
  const int64_t length = std::ssize(sequence.items());
  MJ_ASSIGN(const int64_t at, checked_position(kName, position, length, length));
  return sequence.items()[static_cast<size_t>(at)];
}

InferResult SequenceAt::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(2, 2));
  MJ_TRY(context.sequence(0));
  MJ_TRY(require_position(context, 1));
  if (!context.concrete()) return one(ValueInfo::of(taken_out(context, context[0].type)));
  MJ_ASSIGN(const Tensor found, item(context[0].constant, context[1].constant));
  return one(found.dtype(), Shape(found.dims().begin(), found.dims().end()));
}

Result<void> SequenceAt::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  MJ_ASSIGN(const Tensor found, item(in[0], in[1]));
  copy_all(found, out[0]);
  return {};
}

MJ_REGISTER_OP(SequenceAt)

}  // namespace mj
