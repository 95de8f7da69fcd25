// SPDX-License-Identifier: Apache-2.0
// cum_sum{exclusive, reverse}(x, axis): running sums along the axis
#include <functional>

#include "ops/cumulative.h"
#include "ops/register.h"

namespace mj {

struct CumSum {
  bool exclusive = false;
  bool reverse = false;

  static constexpr std::string_view kName = "cum_sum";
  static constexpr OnnxName kOnnx = {.name = "CumSum", .since = 11};
  static constexpr auto kFields =
      std::tuple{field(1, "exclusive", &CumSum::exclusive), field(2, "reverse", &CumSum::reverse)};

  InferResult infer(const InferContext& context) const { return infer_cumulative(context); }
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const {
    return accumulate_along(kName, in, exclusive, reverse, 0, std::plus<double>(), out[0]);
  }
};

MJ_REGISTER_OP(CumSum)

}  // namespace mj
