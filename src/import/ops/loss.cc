// SPDX-License-Identifier: Apache-2.0
// The losses that ONNX has among its ordinary operators, for x [N,C,d...] and a class for each [N,d...].
#include <vector>

#include "import/ops/irregular.h"

namespace mj::onnx {
namespace {

// -log_prob at the class, times the class's weight; 0 for the class to be ignored. Their mean is over the weights.
ValueId negative_log_likelihood(NodeImport& node, ValueId log_prob, ValueId target, ValueId weights) {
  const std::string reduction = node.string("reduction", "mean");
  const std::vector<int64_t> channel{1};
  const DType dtype = node.dtype(log_prob);
  const ValueId zero = node.scalar(0, dtype);
  ValueId ignored = kAbsent, weight = kAbsent;
  if (node.has_attribute("ignore_index")) {
    const ValueId index = node.scalar(static_cast<double>(node.integer("ignore_index", 0)), node.dtype(target));
    ignored = node.emit(op("equal"), {target, index});
    target = node.emit(op("where"), {ignored, node.scalar(0, node.dtype(target)), target});
  }
  const ValueId place = node.emit(op("unsqueeze", {{0, "axes", channel}}), {target});
  const ValueId picked = node.emit(op("gather_elements", {{0, "axis", int64_t{1}}}), {log_prob, place});
  ValueId loss = node.emit(op("neg"), {node.emit(op("squeeze", {{0, "axes", channel}}), {picked})});
  if (weights != kAbsent) {
    weight = node.emit(op("gather", {{0, "axis", int64_t{0}}}), {weights, target});
  } else if (ignored != kAbsent) {
    weight = node.scalar(1, dtype);
  }
  if (ignored != kAbsent) weight = node.emit(op("where"), {ignored, zero, weight});
  if (weight != kAbsent) loss = node.emit(op("mul"), {loss, weight});
  if (reduction == "none") return loss;
  if (reduction != "mean" && reduction != "sum") {
    node.fail("reduction must be none, mean or sum, got '{}'", reduction);
    return kAbsent;
  }
  const auto reduced = [&](std::string_view how, ValueId value) {
    return node.emit(op(how, {{0, "keepdims", false}}), {value});
  };
  if (reduction == "sum" || weight != kAbsent) loss = reduced("reduce_sum", loss);
  if (reduction == "sum") return loss;
  if (weight == kAbsent) return reduced("reduce_mean", loss);
  return node.emit(op("div"), {loss, reduced("reduce_sum", weight)});
}

}  // namespace

void import_negative_log_likelihood_loss(NodeImport& node) {
  node.inputs_between(2, 3);
  node.outputs_at_most(1);
  node.output(0, negative_log_likelihood(node, node.in(0), node.in(1), node.optional(2)));
}

void import_softmax_cross_entropy_loss(NodeImport& node) {
  node.inputs_between(2, 3);
  const ValueId log_prob = node.emit(op("log_softmax", {{0, "axis", int64_t{1}}}), {node.in(0)});
  node.output(0, negative_log_likelihood(node, log_prob, node.in(1), node.optional(2)));
  node.output(1, log_prob);
}

}  // namespace mj::onnx
