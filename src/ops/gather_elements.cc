// SPDX-License-Identifier: Apache-2.0
// gather_elements{axis}(data, indices): y[i,j] = data[indices[i,j],j] for axis 0, and so on
#include <fmt/format.h>

#include "ops/data_movement.h"
#include "ops/indices.h"
#include "ops/register.h"

namespace mj {

struct GatherElements {
  int64_t axis = 0;

  static constexpr std::string_view kName = "gather_elements";
  static constexpr OnnxName kOnnx = {.name = "GatherElements", .since = 11};
  static constexpr auto kFields = std::tuple{field(1, "axis", &GatherElements::axis)};
  static constexpr bool kStrings = true;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult GatherElements::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(2, 2));
  MJ_TRY(context.rank_at_least(0, 1));
  MJ_TRY(context.rank(1, context[0].type.rank()));
  MJ_TRY(require_indices(context, 1));
  MJ_ASSIGN(const int64_t at, normalize_axis(context, axis, context[0].type.rank()));
  for (size_t d = 0; d < context.shape(0).size(); ++d) {
    if (static_cast<int64_t>(d) == at || less_equal(context.shape(1)[d], context.shape(0)[d]) != Tri::no) continue;
    return context.fail(fmt::format("indices {} reach beyond data {} in dimension {}", to_string(context[1].type),
                                    to_string(context[0].type), d));
  }
  return one(context.dtype(0), context.shape(1));
}

Result<void> GatherElements::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const std::vector<int64_t>& dims = out[0].dims();
  const std::vector<int64_t> strides = row_major(in[0].dims()), indices = in[1].to_i64();
  const auto at = static_cast<size_t>(axis < 0 ? axis + in[0].rank() : axis);
  if (indices.empty()) return {};
  std::vector<int64_t> index(dims.size());
  int64_t to = 0;
  do {
    MJ_ASSIGN(const int64_t chosen, checked_index(kName, indices[to], in[0].dims()[at]));
    int64_t from = 0;
    for (size_t d = 0; d < dims.size(); ++d) from += (d == at ? chosen : index[d]) * strides[d];
    copy_elements(in[0], from, out[0], to++, 1);
  } while (next_index(dims, index));
  return {};
}

MJ_REGISTER_OP(GatherElements)

}  // namespace mj
