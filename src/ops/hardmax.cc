// SPDX-License-Identifier: Apache-2.0
// hardmax{axis}(x) = 1 at the first largest element along the axis, else 0
#include <algorithm>
#include <cmath>

#include "ops/axis_lines.h"
#include "ops/register.h"

namespace mj {

struct Hardmax {
  int64_t axis = -1;

  static constexpr std::string_view kName = "hardmax";
  static constexpr OnnxName kOnnx = {.name = "Hardmax", .since = 13};
  static constexpr auto kFields = std::tuple{field(1, "axis", &Hardmax::axis)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult Hardmax::infer(const InferContext& context) const { return infer_lines(context, axis); }

Result<void> Hardmax::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  map_lines(in[0], axis, out[0], [](std::span<double> line) {
    const auto largest = std::max_element(line.begin(), line.end());
    const auto at = largest - line.begin();
    std::fill(line.begin(), line.end(), 0.0);
    if (!line.empty()) line[static_cast<size_t>(at)] = 1;
  });
  return {};
}

MJ_REGISTER_OP(Hardmax)

}  // namespace mj
