// SPDX-License-Identifier: Apache-2.0
#include "ops/axis_lines.h"

#include <fmt/format.h>

#include "ops/reference_gemm.h"

namespace mj {

AxisView AxisView::of(std::span<const int64_t> dims, int64_t axis) {
  const auto at = static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(dims.size()) : axis);
  AxisView view{1, dims[at], 1};
  for (size_t d = 0; d < at; ++d) view.outer *= dims[d];
  for (size_t d = at + 1; d < dims.size(); ++d) view.inner *= dims[d];
  return view;
}

void map_lines(const Tensor& x, int64_t axis, Tensor& y, const std::function<void(std::span<double> line)>& f) {
  const AxisView view = AxisView::of(x.dims(), axis);
  std::vector<double> all = widened(x), line(static_cast<size_t>(view.length));
  for (int64_t o = 0; o < view.outer; ++o) {
    for (int64_t i = 0; i < view.inner; ++i) {
      double* first = all.data() + o * view.length * view.inner + i;
      for (size_t k = 0; k < line.size(); ++k) line[k] = first[static_cast<int64_t>(k) * view.inner];
      f(line);
      for (size_t k = 0; k < line.size(); ++k) first[static_cast<int64_t>(k) * view.inner] = line[k];
    }
  }
  narrow(all.data(), static_cast<int64_t>(all.size()), y);
}

InferResult infer_lines(const InferContext& context, int64_t axis) {
  MJ_TRY(context.inputs_between(1, 1));
  MJ_TRY(context.rank_at_least(0, 1));
  if (!is_float(context.dtype(0))) {
    return context.fail(fmt::format("input 0 must be floating point, got {}", to_string(context[0].type)));
  }
  MJ_TRY(normalize_axis(context, axis, context[0].type.rank()));
  return one(context.dtype(0), context.shape(0));
}

}  // namespace mj
