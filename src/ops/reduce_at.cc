// SPDX-License-Identifier: Apache-2.0
// reduce_at{reduction, keepdims}(x, axes) = reduction{axes, keepdims}(x) for axes that are computed; of no axes, all of
// them, or with empty_is_none x itself
#include <fmt/format.h>

#include "ops/computed_numbers.h"
#include "ops/data_movement.h"
#include "ops/register.h"

namespace mj {

struct ReduceAt {
  std::string reduction = "reduce_sum";
  bool keepdims = true;
  bool empty_is_none = false;

  static constexpr std::string_view kName = "reduce_at";
  static constexpr auto kFields =
      std::tuple{field(1, "reduction", &ReduceAt::reduction), field(2, "keepdims", &ReduceAt::keepdims),
                 field(3, "empty_is_none", &ReduceAt::empty_is_none)};

  Op plain(std::vector<int64_t> axes) const {
    return op(reduction, {{0, "axes", std::move(axes)}, {0, "keepdims", keepdims}});
  }
  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult ReduceAt::infer(const InferContext& context) const {
  if (!reduction.starts_with("reduce_") || reduction == kName || !find_op(reduction)) {
    return context.fail(fmt::format("there is no reduction '{}'", reduction));
  }
  MJ_ASSIGN(const auto axes, computed_numbers(context));
  const std::optional<int64_t> count = axes ? std::ssize(*axes) : computed_count(context);
  if (count == 0 && empty_is_none) return one(ValueInfo::of(context[0].type));
  if (axes) return infer_plain(context, plain(*axes));
  // Its other demands are those of reducing everything.
  MJ_TRY(infer_plain(context, plain({})));
  const int64_t rank = context[0].type.rank();
  if (keepdims) return one(of_rank(context, rank));
  if (!count) return one(ValueInfo::of(Type::unranked(context.dtype(0))));
  if (*count > rank) return context.fail(fmt::format("{} axes of {}", *count, to_string(context[0].type)));
  return one(of_rank(context, *count == 0 ? 0 : rank - *count));
}

Result<void> ReduceAt::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  if (in[1].size() == 0 && empty_is_none) {
    copy_all(in[0], out[0]);
    return {};
  }
  return run_plain(plain(in[1].to_i64()), in, out);
}

MJ_REGISTER_OP(ReduceAt)

}  // namespace mj
