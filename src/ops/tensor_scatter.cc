// SPDX-License-Identifier: Apache-2.0
// tensor_scatter{axis, mode}(cache, update, at?): the cache with the update written from place at[batch] of the axis
// on; circular, what goes over the end begins again at 0
#include <fmt/format.h>

#include "ops/axis_lines.h"
#include "ops/data_movement.h"
#include "ops/register.h"

namespace mj {

struct TensorScatter {
  int64_t axis = -2;
  std::string mode = "linear";

  static constexpr std::string_view kName = "tensor_scatter";
  static constexpr OnnxName kOnnx = {.name = "TensorScatter", .since = 24};
  static constexpr auto kFields =
      std::tuple{field(1, "axis", &TensorScatter::axis), field(2, "mode", &TensorScatter::mode)};
  static constexpr bool kStrings = true;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult TensorScatter::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(2, 3));
  MJ_TRY(context.rank_at_least(0, 2));
  MJ_TRY(context.rank(1, context[0].type.rank()));
  MJ_TRY(context.same_dtype(0, 1));
  if (mode != "linear" && mode != "circular") return context.fail(fmt::format("no mode '{}'", mode));
  MJ_ASSIGN(const int64_t at, normalize_axis(context, axis, context[0].type.rank()));
  if (at == 0) return context.fail("axis 0 counts the batches");
  for (size_t d = 0; d < context.shape(0).size(); ++d) {
    const Dim &cache = context.shape(0)[d], &update = context.shape(1)[d];
    if (static_cast<int64_t>(d) != at) {
      MJ_TRY(require_equal(context, fmt::format("dimension {} of the cache and of the update", d), cache, update));
    } else if (less_equal(update, cache) == Tri::no) {
      return context.fail(fmt::format("an update of {} does not fit a cache of {}", update, cache));
    }
  }
  if (context.has(2)) {
    MJ_TRY(context.rank(2, 1));
    if (context.dtype(2) != DType::i64) return context.fail("input 2 must be i64");
    MJ_TRY(require_equal(context, "the batches and their places", context.shape(0)[0], context.shape(2)[0]));
  }
  return one(ValueInfo::of(context[0].type));
}

Result<void> TensorScatter::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  copy_all(in[0], out[0]);
  const AxisView cache = AxisView::of(in[0].dims(), axis), update = AxisView::of(in[1].dims(), axis);
  const int64_t batches = in[0].dims()[0];
  for (int64_t o = 0; o < update.outer; ++o) {
    const auto batch = static_cast<size_t>(o / (update.outer / batches));
    const int64_t first = in.size() > 2 && in[2].present() ? in[2].data<int64_t>()[batch] : 0;
    const bool linear = mode == "linear";
    if (first < 0 || first >= cache.length + (update.length == 0) || (linear && first > cache.length - update.length)) {
      return model_error("tensor_scatter: place {} of batch {} does not fit a cache of {}", first, batch, cache.length);
    }
    for (int64_t i = 0; i < update.length; ++i) {
      const int64_t at = (first + i) % cache.length;
      copy_elements(in[1], (o * update.length + i) * update.inner, out[0], (o * cache.length + at) * cache.inner,
                    update.inner);
    }
  }
  return {};
}

MJ_REGISTER_OP(TensorScatter)

}  // namespace mj
