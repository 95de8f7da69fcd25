// SPDX-License-Identifier: Apache-2.0
// conv_transpose{strides = kernel}(x, w, b)  =>  each input pixel becomes a tile of its own, so it is a 1x1 convolution
// to tile * O channels, whose tiles are then laid out: reshape, transpose, reshape, all with channels last.
#include "ops/conv.h"

#include <algorithm>
#include <array>

#include "base/shape.h"
#include "ops/conv_transpose.h"
#include "ops/dim_texts.h"
#include "ops/transpose.h"
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/rewrite.h"
#include "passes/weights.h"

namespace mj {
namespace {

bool all_are(const std::vector<int64_t>& values, int64_t want) {
  return std::all_of(values.begin(), values.end(), [&](int64_t v) { return v == want; });
}

std::string refuses(const ConvTranspose& op, const std::vector<int64_t>& kernel) {
  if (op.group != 1) return "it has groups";
  if (op.strides != kernel) return "the strides are not the kernel";
  if (!all_are(op.pads, 0) || !all_are(op.output_padding, 0) || !op.output_shape.empty() || op.auto_pad != "NOTSET") {
    return "it is padded";
  }
  if (!all_are(op.dilations, 1)) return "it is dilated";
  return "";
}

ValueId reshaped(Graph& graph, ValueId x, const Shape& shape) {
  return graph.add1(op("reshape_to", {{1, "shape", dim_texts(shape)}}), {x});
}

Outcome apply(Graph& graph, const Match& m, const PassContext&) {
  const Node node = *graph.producer(m.root());
  const Tensor w = graph.value(node.inputs[1]).info.constant;
  const bool has_bias = node.inputs.size() > 2 && node.inputs[2] != kAbsent;
  if (!w.present()) return "the weights are not constant";
  if (has_bias && !graph.value(node.inputs[2]).is_constant()) return "the bias is not constant";
  const std::vector<int64_t> kernel(w.dims().begin() + 2, w.dims().end());
  if (std::string reason = refuses(node.op.as<ConvTranspose>(), kernel); !reason.empty()) return reason;

  const auto spatial = std::ssize(kernel);
  const int64_t channels = w.dims()[0], out = w.dims()[1];
  int64_t tile = 1;
  for (int64_t k : kernel) tile *= k;

  // w [C,O,k...] to [k...,O,C], then one row for each place in the tile and output channel.
  std::vector<int64_t> order, dims{tile * out, channels};
  for (int64_t d = 0; d < spatial; ++d) order.push_back(d + 2);
  order.insert(order.end(), {1, 0});
  dims.insert(dims.end(), static_cast<size_t>(spatial), 1);
  std::vector<ValueId> inputs{node.inputs[0]};
  inputs.push_back(graph.add_constant(compute(Transpose{order}, std::array{w}).reshaped(dims)));
  if (has_bias) {
    const std::vector<double> bias = graph.value(node.inputs[2]).info.constant.to_f64();
    std::vector<double> repeated;
    for (int64_t t = 0; t < tile; ++t) repeated.insert(repeated.end(), bias.begin(), bias.end());
    inputs.push_back(graph.add_constant(vector_of(w.dtype(), repeated)));
  }
  const ValueId conv = graph.add1(Conv{}, inputs);

  const Shape in = graph.shape(node.inputs[0]);
  std::vector<int64_t> last{0}, weave{0}, first{0, spatial + 1};
  Shape split{in[0]}, joined{in[0]};
  for (int64_t d = 0; d < spatial; ++d) {
    const Dim& length = in[static_cast<size_t>(d) + 2];
    last.push_back(d + 2);
    weave.insert(weave.end(), {d + 1, d + 1 + spatial});
    first.push_back(d + 1);
    split.push_back(length);
    joined.push_back(length * Dim(kernel[static_cast<size_t>(d)]));
  }
  last.push_back(1);
  weave.push_back(2 * spatial + 1);
  split.insert(split.end(), kernel.begin(), kernel.end());
  split.push_back(out);
  joined.push_back(out);
  const ValueId pixels = graph.add1(Transpose{last}, {conv});
  const ValueId woven = graph.add1(Transpose{weave}, {reshaped(graph, pixels, split)});
  return graph.add1(Transpose{first}, {reshaped(graph, woven, joined)});
}

}  // namespace

Pass conv_transpose_to_conv() {
  return rewrite_pass("conv_transpose_to_conv", {{"conv_transpose", node("conv_transpose"), apply}});
}

}  // namespace mj
