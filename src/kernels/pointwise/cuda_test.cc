// SPDX-License-Identifier: Apache-2.0
#include "kernels/gpu_row_test_util.h"

namespace mj {
namespace {

TEST(PointwiseCuda, EveryFloatOperator) {
  for (const OpInfo* info : all_ops()) {
    if (!info->pointwise || info->name == "cast") continue;
    RowCase c;
    c.problem.op = op(info->name);
    for (int i = 0; i < info->arity; ++i) c.inputs.push_back(random_tensor(static_cast<uint32_t>(7 + i), {3, 5}));
    if (info->name == "where") c.inputs[0] = Tensor::of<bool>({5}, std::array{true, false, true, true, false});
    if (!info->infer) continue;
    const Result<std::vector<Tensor>> defined = evaluate(c.problem.op, c.inputs);
    if (!defined.ok() || gpu_refusal_of("pointwise_cuda", c) != "takes it") continue;
    expect_gpu_row_matches("pointwise_cuda", c, 2e-6);
  }
}

}  // namespace
}  // namespace mj
