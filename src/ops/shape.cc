// SPDX-License-Identifier: Apache-2.0
// shape{start, end}(x) = the dims of x from `start` to before `end`, as i64
#include <algorithm>

#include "ops/register.h"

namespace mj {

struct ShapeOf {
  int64_t start = 0;
  int64_t end = INT64_MAX;

  static constexpr std::string_view kName = "shape";
  static constexpr OnnxName kOnnx = {.name = "Shape", .since = 1};
  static constexpr auto kFields = std::tuple{field(1, "start", &ShapeOf::start), field(2, "end", &ShapeOf::end)};
  static constexpr bool kStrings = true;

  // [first, last) within the rank.
  std::pair<int64_t, int64_t> range(int64_t rank) const {
    const auto clamp = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank); };
    return {clamp(start), std::max(clamp(start), clamp(end))};
  }
  InferResult infer(const InferContext& context) const {
    MJ_TRY(context.inputs_between(1, 1));
    if (!context[0].type.ranked() && !context.concrete()) return one(DType::i64, {context.fresh("rank")});
    const Shape& dims = context.shape(0);
    const auto [first, last] = range(context[0].type.rank());
    return one(ValueInfo::of_contents(std::vector<Dim>(dims.begin() + first, dims.begin() + last)));
  }
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const {
    const auto [first, last] = range(in[0].rank());
    std::copy(in[0].dims().begin() + first, in[0].dims().begin() + last, out[0].mutable_data<int64_t>().begin());
    return {};
  }
};
MJ_REGISTER_OP(ShapeOf)

}  // namespace mj
