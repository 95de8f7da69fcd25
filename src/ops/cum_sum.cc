// SPDX-License-Identifier: Apache-2.0
// cum_sum{exclusive, reverse}(x, axis): running sums along the axis
#include <algorithm>

#include "ops/axis_lines.h"
#include "ops/indices.h"
#include "ops/register.h"

namespace mj {

struct CumSum {
  bool exclusive = false;
  bool reverse = false;

  static constexpr std::string_view kName = "cum_sum";
  static constexpr OnnxName kOnnx = {.name = "CumSum", .since = 11};
  static constexpr auto kFields =
      std::tuple{field(1, "exclusive", &CumSum::exclusive), field(2, "reverse", &CumSum::reverse)};

  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult CumSum::infer(const InferContext& context) const {
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

Result<void> CumSum::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  MJ_ASSIGN(const int64_t axis, checked_index(kName, in[1].to_i64()[0], in[0].rank()));
  map_lines(in[0], axis, out[0], [&](std::span<double> line) {
    if (reverse) std::reverse(line.begin(), line.end());
    double sum = 0;
    for (double& x : line) {
      const double before = sum;
      sum += x;
      x = exclusive ? before : sum;
    }
    if (reverse) std::reverse(line.begin(), line.end());
  });
  return {};
}

MJ_REGISTER_OP(CumSum)

}  // namespace mj
