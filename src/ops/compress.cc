// SPDX-License-Identifier: Apache-2.0
// compress{axis, flat}(x, keep): the slices of x along the axis, or with flat its elements, for which `keep` is true;
// what `keep` says nothing about is dropped
#include <fmt/format.h>

#include "ops/axis_lines.h"
#include "ops/data_movement.h"
#include "ops/register.h"

namespace mj {

struct Compress {
  int64_t axis = 0;
  bool flat = false;

  static constexpr std::string_view kName = "compress";
  static constexpr auto kFields = std::tuple{field(1, "axis", &Compress::axis), field(2, "flat", &Compress::flat)};
  static constexpr bool kStrings = true;

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult Compress::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(2, 2));
  MJ_TRY(context.rank_at_least(0, flat ? 0 : 1));
  MJ_TRY(context.rank(1, 1));
  if (context.dtype(1) != DType::boolean) return context.fail("input 1 must be bool");
  Shape out = flat ? Shape{element_count(context.shape(0))} : context.shape(0);
  MJ_ASSIGN(const int64_t at, normalize_axis(context, flat ? 0 : axis, std::ssize(out)));
  Dim& dim = out[static_cast<size_t>(at)];
  if (less_equal(context.shape(1)[0], dim) == Tri::no) {
    return context.fail(fmt::format("input 1 has {} elements for {}", context.shape(1)[0], dim));
  }
  if (context.concrete()) {
    int64_t kept = 0;
    for (bool keep : context[1].constant.data<bool>()) kept += keep;
    dim = kept;
  } else {
    dim = context.fresh("kept");
  }
  return one(context.dtype(0), std::move(out));
}

Result<void> Compress::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const AxisView from = flat ? AxisView{1, in[0].size(), 1} : AxisView::of(in[0].dims(), axis);
  const std::span<const bool> keep = in[1].data<bool>();
  int64_t to = 0;
  for (int64_t o = 0; o < from.outer; ++o) {
    for (size_t k = 0; k < keep.size(); ++k) {
      if (!keep[k]) continue;
      copy_elements(in[0], (o * from.length + static_cast<int64_t>(k)) * from.inner, out[0], to, from.inner);
      to += from.inner;
    }
  }
  return {};
}

MJ_REGISTER_OP(Compress)

}  // namespace mj
