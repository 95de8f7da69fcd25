// SPDX-License-Identifier: Apache-2.0
// cum_prod{exclusive, reverse}(x, axis): running products along the axis
#include <algorithm>

#include "ops/axis_lines.h"
#include "ops/indices.h"
#include "ops/register.h"

namespace mj {

struct CumProd {
  bool exclusive = false;
  bool reverse = false;

  static constexpr std::string_view kName = "cum_prod";
  static constexpr OnnxName kOnnx = {.name = "CumProd", .since = 26};
  static constexpr auto kFields =
      std::tuple{field(1, "exclusive", &CumProd::exclusive), field(2, "reverse", &CumProd::reverse)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult CumProd::infer(const InferContext& context) const {
  return op("cum_sum", {{0, "exclusive", exclusive}, {0, "reverse", reverse}}).infer(context);
}

Result<void> CumProd::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  MJ_ASSIGN(const int64_t axis, checked_index(kName, in[1].to_i64()[0], in[0].rank()));
  map_lines(in[0], axis, out[0], [&](std::span<double> line) {
    if (reverse) std::reverse(line.begin(), line.end());
    double product = 1;
    for (double& x : line) {
      const double before = product;
      product *= x;
      x = exclusive ? before : product;
    }
    if (reverse) std::reverse(line.begin(), line.end());
  });
  return {};
}

MJ_REGISTER_OP(CumProd)

}  // namespace mj
