// SPDX-License-Identifier: Apache-2.0
#include "ops/norm.h"

#include <fmt/format.h>

#include <cmath>

namespace mj {

Result<void> check_norm_input(const InferContext& context, int64_t least_rank) {
  MJ_TRY(context.rank_at_least(0, least_rank));
  if (is_float(context.dtype(0))) return {};
  return context.fail(fmt::format("input 0 must be floating point, got {}", to_string(context[0].type)));
}

Result<void> check_per_channel(const InferContext& context, size_t i, bool channels_last) {
  MJ_TRY(context.rank(i, 1));
  if (!is_float(context.dtype(i))) {
    return context.fail(fmt::format("input {} must be floating point, got {}", i, to_string(context[i].type)));
  }
  return require_equal(context, fmt::format("the length of input {} and the channels", i), context.shape(i)[0],
                       channels_last ? context.shape(0).back() : context.shape(0)[1]);
}

void normalize_line(std::span<double> line, double epsilon) {
  const auto n = static_cast<double>(line.size());
  double mean = 0, variance = 0;
  for (double x : line) mean += x / n;
  for (double x : line) variance += (x - mean) * (x - mean) / n;
  const double scale = 1 / std::sqrt(variance + epsilon);
  for (double& x : line) x = (x - mean) * scale;
}

}  // namespace mj
