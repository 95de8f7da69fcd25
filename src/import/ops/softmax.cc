// SPDX-License-Identifier: Apache-2.0
// Softmax, LogSoftmax and Hardmax before opset 13: the input is taken as a matrix whose rows are all dims before
// `axis`, and each row as a whole is normalised.
#include "import/ops/flatten.h"
#include "import/ops/irregular.h"

namespace mj::onnx {
namespace {

void import_rows(NodeImport& node, std::string_view name) {
  node.inputs_between(1, 1);
  const ValueId x = node.in(0);
  const int64_t rank = node.rank(x);
  const int64_t axis = node.axis(node.integer("axis", 1), rank);
  if (node.failed()) return;
  if (axis == rank - 1) return node.finish(op(name, {{0, "axis", int64_t{-1}}}), {x});
  const ValueId rows = flatten(node, x, axis);
  const ValueId result = node.emit(op(name, {{0, "axis", int64_t{-1}}}), {rows});
  node.finish(op("reshape"), {result, node.emit(op("shape"), {x})});
}

}  // namespace

void import_softmax_2d(NodeImport& node) { import_rows(node, "softmax"); }
void import_log_softmax_2d(NodeImport& node) { import_rows(node, "log_softmax"); }
void import_hardmax_2d(NodeImport& node) { import_rows(node, "hardmax"); }

}  // namespace mj::onnx
