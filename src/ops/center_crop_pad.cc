// SPDX-License-Identifier: Apache-2.0
// center_crop_pad{axes}(x, sizes): along each axis the middle of x, or x in the middle of zeros; what is odd is missing
// or added at the end. All axes where the list is empty.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "ops/data_movement.h"
#include "ops/indices.h"
#include "ops/register.h"

namespace mj {

struct CenterCropPad {
  std::vector<int64_t> axes;

  static constexpr std::string_view kName = "center_crop_pad";
  static constexpr OnnxName kOnnx = {.name = "CenterCropPad", .since = 18};
  static constexpr auto kFields = std::tuple{field(1, "axes", &CenterCropPad::axes)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult CenterCropPad::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(2, 2));
  MJ_TRY(context.ranked(0));
  MJ_TRY(context.rank(1, 1));
  MJ_TRY(require_indices(context, 1));
  if (context.dtype(0) == DType::string) return context.fail("takes numbers or bools");
  const int64_t rank = context[0].type.rank();
  MJ_TRY(normalize_axes(context, axes, rank));
  std::vector<int64_t> all(static_cast<size_t>(rank));
  std::iota(all.begin(), all.end(), 0);
  if (!axes.empty()) all = axes;
  const auto sizes = context[1].elements();
  if (!sizes && context.concrete()) return context.fail("the sizes must be known");
  if (sizes && sizes->size() != all.size()) {
    return context.fail(fmt::format("{} sizes for {} axes", sizes->size(), all.size()));
  }
  Shape out = context.shape(0);
  for (size_t i = 0; i < all.size(); ++i) {
    const int64_t axis = all[i] < 0 ? all[i] + rank : all[i];
    out[static_cast<size_t>(axis)] = sizes ? (*sizes)[i] : context.fresh("centered");
  }
  return one(context.dtype(0), std::move(out));
}

Result<void> CenterCropPad::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const std::vector<int64_t>&from = in[0].dims(), &to = out[0].dims();
  Walk read{0, row_major(from)}, write{0, row_major(to)};
  std::vector<int64_t> box;
  for (size_t d = 0; d < from.size(); ++d) {
    box.push_back(std::min(from[d], to[d]));
    read.offset += (from[d] - box[d]) / 2 * read.strides[d];
    write.offset += (to[d] - box[d]) / 2 * write.strides[d];
  }
  if (product(box) > 0) copy_box(box, in[0], read, out[0], write);
  return {};
}

MJ_REGISTER_OP(CenterCropPad)

}  // namespace mj
