// SPDX-License-Identifier: Apache-2.0
// unsqueeze_at(x, axes) = unsqueeze{axes}(x) for axes that are computed
#include "ops/computed_numbers.h"
#include "ops/register.h"
#include "ops/unsqueeze.h"

namespace mj {

struct UnsqueezeAt {
  static constexpr std::string_view kName = "unsqueeze_at";
  static constexpr auto kFields = std::tuple{};
  static constexpr bool kStrings = true;

  InferResult infer(const InferContext& context) const {
    MJ_ASSIGN(const auto axes, computed_numbers(context));
    if (axes) return infer_plain(context, Op(Unsqueeze{*axes}));
    const std::optional<int64_t> count = computed_count(context);
    if (!count || *count > kMaxContents) return one(ValueInfo::of(Type::unranked(context.dtype(0))));
    return one(of_rank(context, context[0].type.rank() + *count));
  }
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const {
    return run_plain(Op(Unsqueeze{}), in, out);  // the same elements, whatever the axes
  }
};
MJ_REGISTER_OP(UnsqueezeAt)

}  // namespace mj
