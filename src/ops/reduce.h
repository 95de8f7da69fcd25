// SPDX-License-Identifier: Apache-2.0
// reduce_*{axes, keepdims}(x): one number for all elements along the axes; all axes where the list is empty.
#pragma once

#include "ops/op.h"

namespace mj {

enum class Reduction { sum, mean, max, min, prod, l1, l2, log_sum, log_sum_exp, sum_square };

struct ReduceFields {
  std::vector<int64_t> axes;
  bool keepdims = true;

  // The axes in [0, rank), sorted; all of them where the field is empty.
  std::vector<int64_t> resolved(int64_t rank) const;
};

InferResult infer_reduce(const ReduceFields& fields, Reduction kind, const InferContext& context);
Result<void> reduce(const ReduceFields& fields, Reduction kind, const Tensor& x, Tensor& y);

#define MJ_REDUCE(Struct, name, kind)                                                                     \
  struct Struct : ReduceFields {                                                                          \
    static constexpr std::string_view kName = name;                                                       \
    static constexpr Reduction kKind = Reduction::kind;                                                   \
    static constexpr auto kFields =                                                                       \
        std::tuple{field(1, "axes", &ReduceFields::axes), field(2, "keepdims", &ReduceFields::keepdims)}; \
    InferResult infer(const InferContext& context) const { return infer_reduce(*this, kKind, context); }  \
    Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const {                     \
      return reduce(*this, kKind, in[0], out[0]);                                                         \
    }                                                                                                     \
  };
MJ_REDUCE(ReduceSum, "reduce_sum", sum)
MJ_REDUCE(ReduceMean, "reduce_mean", mean)
MJ_REDUCE(ReduceMax, "reduce_max", max)
MJ_REDUCE(ReduceMin, "reduce_min", min)
MJ_REDUCE(ReduceProd, "reduce_prod", prod)
MJ_REDUCE(ReduceL1, "reduce_l1", l1)
MJ_REDUCE(ReduceL2, "reduce_l2", l2)
MJ_REDUCE(ReduceLogSum, "reduce_log_sum", log_sum)
MJ_REDUCE(ReduceLogSumExp, "reduce_log_sum_exp", log_sum_exp)
MJ_REDUCE(ReduceSumSquare, "reduce_sum_square", sum_square)
#undef MJ_REDUCE

}  // namespace mj
