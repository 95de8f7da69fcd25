// SPDX-License-Identifier: Apache-2.0
// batch_norm(conv(x, w, b), gamma, beta, mean, var)  =>  conv(x, w * s, (b - mean) * s + beta)
//   where s = gamma / sqrt(var + epsilon), computed in double; each weight is rounded once
#include "passes/affine.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {

Pass fold_conv_batch_norm() {
  const auto apply = [](Graph& graph, const Match& m, const PassContext&) -> Outcome {
    if (std::string reason = refuses_conv(graph, m.node("conv")); !reason.empty()) return reason;
    const std::optional<Affine> affine = batch_norm_affine(graph, *graph.producer(m.root()));
    if (!affine) return "the statistics are not constant";
    if (conv_channel_axis(graph, m.node("conv")) != 1) return "the convolution has its channels last";
    return fold_into_conv(graph, m.node("conv"), *affine);
  };
  return rewrite_pass(
      "fold_conv_batch_norm",
      {{"batch_norm", node("batch_norm", {node("conv").as("conv").once(), any(), any(), any(), any()}), apply}});
}

}  // namespace mj
