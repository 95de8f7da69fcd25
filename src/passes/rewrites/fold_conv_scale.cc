// SPDX-License-Identifier: Apache-2.0
// conv(x, w, b) * s  =>  conv(x, w * s, b * s)
// conv(x, w, b) + t  =>  conv(x, w, b + t)
//   where s and t are constants that vary along the output channels alone; each weight is rounded once
#include "passes/affine.h"
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/rewrite.h"
#include "passes/weights.h"

namespace mj {
namespace {

Rewrite fold(std::string op, bool scales) {
  return {op, node(op, {node("conv").as("conv").once(), constant("c")}),
          [scales](Graph& graph, const Match& m, const PassContext&) -> Outcome {
            const Node& conv = m.node("conv");
            if (std::string reason = refuses_conv(graph, conv); !reason.empty()) return reason;
            if (!same_shape(m.shape("conv"), graph.shape(m.root()))) return "the constant makes the result larger";
            const int64_t channels = graph.value(conv.inputs[1]).info.constant.dims()[0];
            const int64_t rank = graph.type(m.root()).rank();
            const auto values = along_axis(m.tensor("c"), rank, conv_channel_axis(graph, conv), channels);
            if (!values) return "the constant varies along more than the channels";
            const std::vector<double> ones(values->size(), 1.0), zeros(values->size(), 0.0);
            return fold_into_conv(graph, conv, scales ? Affine{*values, zeros} : Affine{ones, *values});
          }};
}

}  // namespace

Pass fold_conv_scale() { return rewrite_pass("fold_conv_scale", {fold("mul", true), fold("add", false)}); }

}  // namespace mj
