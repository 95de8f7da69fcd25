// SPDX-License-Identifier: Apache-2.0
// gather_nd{batch_dims}(data, indices): each row of indices names a slice of data
#include <fmt/format.h>

#include "ops/data_movement.h"
#include "ops/indices.h"
#include "ops/register.h"

namespace mj {

struct GatherNd {
  int64_t batch_dims = 0;

  static constexpr std::string_view kName = "gather_nd";
  static constexpr OnnxName kOnnx = {.name = "GatherND", .since = 11};
  static constexpr auto kFields = std::tuple{field(1, "batch_dims", &GatherNd::batch_dims)};
  static constexpr bool kStrings = true;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult GatherNd::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(2, 2));
  MJ_TRY(context.rank_at_least(0, 1));
  MJ_TRY(context.rank_at_least(1, 1));
  MJ_TRY(require_indices(context, 1));
  const Shape& data = context.shape(0);
  const Shape& indices = context.shape(1);
  const std::optional<int64_t> depth = indices.back().constant();
  if (!depth) return one(ValueInfo::of(Type::unranked(context.dtype(0))));
  const auto rank = static_cast<int64_t>(data.size());
  if (batch_dims < 0 || batch_dims >= static_cast<int64_t>(indices.size()) || *depth < 1 ||
      batch_dims + *depth > rank) {
    return context.fail(fmt::format("batch_dims {} and rows of {} indices do not fit data {}", batch_dims, *depth,
                                    to_string(context[0].type)));
  }
  for (int64_t d = 0; d < batch_dims; ++d) {
    MJ_TRY(require_equal(context, fmt::format("dimension {} of data and indices", d), data[d], indices[d]));
  }
  Shape out(indices.begin(), indices.end() - 1);
  out.insert(out.end(), data.begin() + batch_dims + *depth, data.end());
  return one(context.dtype(0), std::move(out));
}

Result<void> GatherNd::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const std::span<const int64_t> data = in[0].dims();
  const std::vector<int64_t> indices = in[1].to_i64();
  const int64_t depth = in[1].dims().back();
  const auto batch_rank = static_cast<size_t>(batch_dims);
  const int64_t batches = product(data.first(batch_rank)), rows = std::ssize(indices) / depth;
  const int64_t slice = product(data.subspan(batch_rank + static_cast<size_t>(depth)));
  const int64_t batch_size = product(data.subspan(batch_rank));
  for (int64_t row = 0; row < rows; ++row) {
    int64_t at = 0;
    for (int64_t k = 0; k < depth; ++k) {
      const int64_t n = data[batch_rank + static_cast<size_t>(k)];
      MJ_ASSIGN(const int64_t i, checked_index(kName, indices[row * depth + k], n));
      at = at * n + i;
    }
    copy_elements(in[0], row / (rows / batches) * batch_size + at * slice, out[0], row * slice, slice);
  }
  return {};
}

MJ_REGISTER_OP(GatherNd)

}  // namespace mj
