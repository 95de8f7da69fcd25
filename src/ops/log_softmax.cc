// SPDX-License-Identifier: Apache-2.0
// log_softmax{axis}(x) = x - max - log(sum(exp(x - max))) along the axis
#include <algorithm>
#include <cmath>

#include "ops/axis_lines.h"
#include "ops/register.h"

namespace mj {

struct LogSoftmax {
  int64_t axis = -1;

  static constexpr std::string_view kName = "log_softmax";
  static constexpr OnnxName kOnnx = {.name = "LogSoftmax", .since = 13};
  static constexpr auto kFields = std::tuple{field(1, "axis", &LogSoftmax::axis)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult LogSoftmax::infer(const InferContext& context) const { return infer_lines(context, axis); }

Result<void> LogSoftmax::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  map_lines(in[0], axis, out[0], [](std::span<double> line) {
    const double largest = line.empty() ? 0 : *std::max_element(line.begin(), line.end());
    double sum = 0;
    for (double x : line) sum += std::exp(x - largest);
    for (double& x : line) x -= largest + std::log(sum);
  });
  return {};
}

MJ_REGISTER_OP(LogSoftmax)

}  // namespace mj
