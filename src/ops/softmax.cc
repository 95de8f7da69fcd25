// SPDX-License-Identifier: Apache-2.0
#include "ops/softmax.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ops/axis_lines.h"
#include "ops/register.h"

namespace mj {

InferResult Softmax::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, 1));
  MJ_TRY(context.rank_at_least(0, 1));
  if (!is_float(context.dtype(0))) {
    return context.fail(fmt::format("input 0 must be floating point, got {}", to_string(context[0].type)));
  }
  MJ_TRY(normalize_axis(context, axis, context[0].type.rank()));
  return one(context.dtype(0), context.shape(0));
}

Result<void> Softmax::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  map_lines(in[0], axis, out[0], [](std::span<double> line) {
    const double largest = line.empty() ? 0 : *std::max_element(line.begin(), line.end());
    double sum = 0;
    for (double& x : line) sum += x = std::exp(x - largest);
    for (double& x : line) x /= sum;
  });
  return {};
}

MJ_REGISTER_OP(Softmax)

}  // namespace mj
