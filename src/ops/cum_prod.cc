// SPDX-License-Identifier: Apache-2.0
// cum_prod{exclusive, reverse}(x, axis): running products along the axis
#include <functional>

#include "ops/cumulative.h"
#include "ops/register.h"

namespace mj {

struct CumProd {
  bool exclusive = false;
  bool reverse = false;

  static constexpr std::string_view kName = "cum_prod";
  static constexpr OnnxName kOnnx = {.name = "CumProd", .since = 26};
  static constexpr auto kFields =
      std::tuple{field(1, "exclusive", &CumProd::exclusive), field(2, "reverse", &CumProd::reverse)};

  InferResult infer(const InferContext& context) const { return infer_cumulative(context); }
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const {
    return accumulate_along(kName, in, exclusive, reverse, 1, std::multiplies<double>(), out[0]);
  }
};

MJ_REGISTER_OP(CumProd)

}  // namespace mj
