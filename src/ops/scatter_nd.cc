// SPDX-License-Identifier: Apache-2.0
// scatter_nd{reduction}(data, indices, updates): data with the slice that each row of indices names replaced
#include <fmt/format.h>

#include "ops/data_movement.h"
#include "ops/indices.h"
#include "ops/register.h"
#include "ops/scatter.h"

namespace mj {

struct ScatterNd {
  std::string reduction = "none";

  static constexpr std::string_view kName = "scatter_nd";
  static constexpr OnnxName kOnnx = {.name = "ScatterND", .since = 11};
  static constexpr auto kFields = std::tuple{field(1, "reduction", &ScatterNd::reduction)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult ScatterNd::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(3, 3));
  MJ_TRY(context.rank_at_least(0, 1));
  MJ_TRY(context.rank_at_least(1, 1));
  MJ_TRY(require_indices(context, 1));
  MJ_TRY(context.same_dtype(0, 2));
  MJ_TRY(check_reduction(context, reduction));
  const Shape& data = context.shape(0);
  const Shape& indices = context.shape(1);
  const std::optional<int64_t> depth = indices.back().constant();
  if (!depth) {  // checked when it runs
    MJ_TRY(context.ranked(2));
    return one(context.dtype(0), data);
  }
  if (*depth < 1 || *depth > context[0].type.rank()) {
    return context.fail(
        fmt::format("rows of indices {} do not fit data {}", to_string(context[1].type), to_string(context[0].type)));
  }
  Shape want(indices.begin(), indices.end() - 1);
  want.insert(want.end(), data.begin() + *depth, data.end());
  MJ_TRY(context.rank(2, static_cast<int64_t>(want.size())));
  for (size_t d = 0; d < want.size(); ++d) {
    MJ_TRY(require_equal(context, fmt::format("dimension {} of updates", d), context.shape(2)[d], want[d]));
  }
  return one(context.dtype(0), data);
}

Result<void> ScatterNd::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  copy_all(in[0], out[0]);
  const std::span<const int64_t> data = in[0].dims();
  const std::vector<int64_t> indices = in[1].to_i64();
  const int64_t depth = in[1].dims().back(), rows = std::ssize(indices) / depth;
  const int64_t slice = product(data.subspan(static_cast<size_t>(depth)));
  for (int64_t row = 0; row < rows; ++row) {
    int64_t at = 0;
    for (int64_t k = 0; k < depth; ++k) {
      MJ_ASSIGN(const int64_t i, checked_index(kName, indices[row * depth + k], data[k]));
      at = at * data[k] + i;
    }
    scatter(reduction, in[2], row * slice, out[0], at * slice, slice);
  }
  return {};
}

MJ_REGISTER_OP(ScatterNd)

}  // namespace mj
