// SPDX-License-Identifier: Apache-2.0
#include "ops/softmax.h"

#include <algorithm>
#include <cmath>

#include "ops/axis_lines.h"
#include "ops/register.h"

namespace mj {

InferResult Softmax::infer(const InferContext& context) const { return infer_lines(context, axis); }

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
