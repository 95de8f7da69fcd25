// SPDX-License-Identifier: Apache-2.0
// What running sums and running products share: their operands, and the walk along the axis.
#pragma once

#include <algorithm>

#include "ops/axis_lines.h"
#include "ops/indices.h"

namespace mj {

// (x, axis): a number for each of x.
inline InferResult infer_cumulative(const InferContext& context) {
  MJ_TRY(context.inputs_between(2, 2));
  MJ_TRY(context.rank_at_least(0, 1));
  MJ_TRY(context.ranked(1));
  MJ_TRY(require_indices(context, 1));
  if (!is_float(context.dtype(0)) && !is_integer(context.dtype(0))) return context.fail("input 0 must be numbers");
  if (equal(element_count(context.shape(1)), 1) == Tri::no) return context.fail("axis must be one number");
  const std::optional<std::vector<int64_t>> axis = context[1].known_elements();
  if (axis) MJ_TRY(normalize_axis(context, (*axis)[0], context[0].type.rank()));
  return one(context.dtype(0), context.shape(0));
}

// y[i] = combine(... combine(first, x[0]) ..., x[i]), or with `exclusive` without x[i]; from the other end if
// `reverse`.
template <class Combine>
Result<void> accumulate_along(std::string_view op, std::span<const Tensor> in, bool exclusive, bool reverse,
                              double first, Combine&& combine, Tensor& y) {
  MJ_ASSIGN(const int64_t axis, checked_index(op, in[1].to_i64()[0], in[0].rank()));
  map_lines(in[0], axis, y, [&](std::span<double> line) {
    if (reverse) std::reverse(line.begin(), line.end());
    double all = first;
    for (double& x : line) {
      const double before = all;
      all = combine(all, x);
      x = exclusive ? before : all;
    }
    if (reverse) std::reverse(line.begin(), line.end());
  });
  return {};
}

}  // namespace mj
