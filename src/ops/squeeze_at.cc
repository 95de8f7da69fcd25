// SPDX-License-Identifier: Apache-2.0
// squeeze_at(x, axes) = squeeze{axes}(x) for axes that are computed; without axes, every dim that turns out to be 1
#include <fmt/format.h>

#include "ops/computed_numbers.h"
#include "ops/register.h"
#include "ops/squeeze.h"

namespace mj {

struct SqueezeAt {
  static constexpr std::string_view kName = "squeeze_at";
  static constexpr auto kFields = std::tuple{};
  static constexpr bool kStrings = true;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult SqueezeAt::infer(const InferContext& context) const {
  if (context.inputs.size() == 1 || !context.has(1)) {
    MJ_TRY(context.inputs_between(1, 2));
    if (context.concrete()) return infer_plain(context, Op(Squeeze{}));
    return one(ValueInfo::of(Type::unranked(context.dtype(0))));
  }
  MJ_ASSIGN(const auto axes, computed_numbers(context));
  const std::optional<int64_t> count = axes ? std::ssize(*axes) : computed_count(context);
  if (count == 0) return one(ValueInfo::of(context[0].type));
  if (axes) return infer_plain(context, Op(Squeeze{*axes}));
  if (!count) return one(ValueInfo::of(Type::unranked(context.dtype(0))));
  const int64_t rank = context[0].type.rank() - *count;
  if (rank < 0) return context.fail(fmt::format("{} axes of {}", *count, to_string(context[0].type)));
  return one(of_rank(context, rank));
}

Result<void> SqueezeAt::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  return run_plain(Op(Squeeze{}), in, out);  // the same elements, whatever the axes
}

MJ_REGISTER_OP(SqueezeAt)

}  // namespace mj
