// SPDX-License-Identifier: Apache-2.0
// sequence_insert(s, x, i?) = s with x before s[i], negative i from the end; without i, at the end
#include <fmt/format.h>

#include "ops/register.h"
#include "ops/sequences.h"

namespace mj {

struct SequenceInsert {
  static constexpr std::string_view kName = "sequence_insert";
  static constexpr OnnxName kOnnx = {.name = "SequenceInsert", .since = 11};
  static constexpr auto kFields = std::tuple{};
  static constexpr bool kBoxed = true;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult SequenceInsert::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(2, 3));
  MJ_TRY(context.sequence(0));
  MJ_TRY(require_tensor(context, 1));
  MJ_TRY(context.same_dtype(0, 1));
  if (context.has(2)) MJ_TRY(require_position(context, 2));
  Type element = context[1].type;
  const bool known_empty = context[0].contents.has_value();
  if (!known_empty) element.shape = common_shape(context[0].type.shape, element.shape);
  return one(ValueInfo::of(Type::sequence(std::move(element))));
}

Result<void> SequenceInsert::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  std::vector<Tensor> items = in[0].items();
  int64_t at = std::ssize(items);
  if (in.size() > 2 && in[2].present()) {
    MJ_ASSIGN(at, checked_position(kName, in[2], at, at + 1));
  }
  items.insert(items.begin() + at, copied(in[1]));
  out[0] = Tensor::sequence(in[0].dtype(), std::move(items));
  return {};
}

MJ_REGISTER_OP(SequenceInsert)

}  // namespace mj
