// SPDX-License-Identifier: Apache-2.0
// split_at{axis}(x, sizes) = split{axis, sizes}(x) for sizes that are computed
#include <fmt/format.h>

#include "ops/computed_numbers.h"
#include "ops/register.h"
#include "ops/split.h"

namespace mj {

struct SplitAt {
  int64_t axis = 0;

  static constexpr std::string_view kName = "split_at";
  static constexpr auto kFields = std::tuple{field(1, "axis", &SplitAt::axis)};
  static constexpr bool kStrings = true;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult SplitAt::infer(const InferContext& context) const {
  MJ_ASSIGN(const auto sizes, computed_numbers(context));
  const std::optional<int64_t> count = sizes ? std::ssize(*sizes) : computed_count(context);
  if (count && *count != context.outputs) {
    return context.fail(fmt::format("{} sizes for {} outputs", *count, context.outputs));
  }
  if (sizes && !sizes->empty()) return infer_plain(context, Op(Split{axis, *sizes, 0}));
  MJ_ASSIGN(const int64_t at, normalize_axis(context, axis, context[0].type.rank()));
  std::vector<ValueInfo> parts;
  for (int i = 0; i < context.outputs; ++i) {
    Shape shape = context.shape(0);
    shape[static_cast<size_t>(at)] = context.fresh("part");
    parts.push_back(ValueInfo::of(Type::tensor(context.dtype(0), std::move(shape))));
  }
  return parts;
}

Result<void> SplitAt::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  return run_plain(Op(Split{axis, in[1].to_i64(), 0}), in, out);
}

MJ_REGISTER_OP(SplitAt)

}  // namespace mj
