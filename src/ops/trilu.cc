// SPDX-License-Identifier: Apache-2.0
// trilu{upper}(x, k?): keeps the triangle on or above (below) the k-th diagonal of the last two dims
#include <algorithm>

#include "ops/data_movement.h"
#include "ops/indices.h"
#include "ops/register.h"

namespace mj {

struct Trilu {
  bool upper = true;

  static constexpr std::string_view kName = "trilu";
  static constexpr OnnxName kOnnx = {.name = "Trilu", .since = 14};
  static constexpr auto kFields = std::tuple{field(1, "upper", &Trilu::upper)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult Trilu::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, 2));
  MJ_TRY(context.rank_at_least(0, 2));
  if (context.has(1)) MJ_TRY(require_indices(context, 1));
  return one(context.dtype(0), context.shape(0));
}

Result<void> Trilu::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const int64_t k = in.size() > 1 && in[1].present() && in[1].size() == 1
                        ? std::clamp<int64_t>(in[1].to_i64()[0], -INT32_MAX, INT32_MAX)
                        : 0;
  const int64_t rows = in[0].dims()[static_cast<size_t>(in[0].rank() - 2)], columns = in[0].dims().back();
  for (int64_t at = 0; at < in[0].size(); ++at) {
    const int64_t above = at % columns - at / columns % rows;
    if (upper ? above >= k : above <= k) copy_elements(in[0], at, out[0], at, 1);
  }
  return {};
}

MJ_REGISTER_OP(Trilu)

}  // namespace mj
