// SPDX-License-Identifier: Apache-2.0
// Normalizations at inference: statistics are inputs or computed, never updated.
#include <vector>

#include "import/ops/irregular.h"

namespace mj::onnx {
namespace {

// Statistics are computed in f32 or wider here; 1 is f32, the only type ONNX implementations know.
void check_stash_type(NodeImport& node) {
  const DType stash = node.dtype("stash_type", DType::f32);
  if (stash != DType::f32) node.unsupported("stash_type must be float, got {}", name(stash));
}

}  // namespace

void import_batch_normalization(NodeImport& node) {
  node.inputs_between(5, 5);
  node.ignore("momentum");  // of training
  if (node.flag("training_mode", false)) return node.unsupported("training_mode is 1");
  if (node.opset < 9 && !node.flag("spatial", true)) return node.unsupported("spatial is 0");
  node.finish(node.op("batch_norm"), node.inputs());
}

void import_layer_normalization(NodeImport& node) {
  node.inputs_between(2, 3);
  check_stash_type(node);
  node.finish(node.op("layer_norm"), node.inputs());
}

void import_rms_normalization(NodeImport& node) {
  node.inputs_between(2, 2);
  check_stash_type(node);
  node.finish(node.op("rms_norm"), node.inputs());
}

// Scale and bias are one for each channel from opset 21, one for each group before.
void import_group_normalization(NodeImport& node) {
  node.inputs_between(3, 3);
  if (node.opset >= 21) check_stash_type(node);
  const ValueId x = node.in(0);
  std::vector<ValueId> inputs = node.inputs();
  if (node.opset < 21) {
    const int64_t groups = node.integer("num_groups", 0), rank = node.rank(x);
    if (groups < 1 || rank < 2) return node.fail("num_groups must be at least 1 and its input have 2 dims or more");
    const std::optional<int64_t> channels = (*node.type(x).shape)[1].constant();
    if (!channels) return node.unsupported("the number of channels must be known");
    if (*channels % groups != 0) return node.fail("{} channels do not fall into {} groups", *channels, groups);
    for (size_t i = 1; i < 3; ++i) {
      const int64_t column[] = {groups, 1}, wide[] = {groups, *channels / groups}, flat[] = {*channels};
      ValueId each = node.emit(op("reshape"), {node.in(i), node.integers_constant(column)});
      each = node.emit(op("expand"), {each, node.integers_constant(wide)});
      inputs[i] = node.emit(op("reshape"), {each, node.integers_constant(flat)});
    }
  }
  node.finish(node.op("group_norm"), inputs);
}

// x / norm(x) along one axis, 0 where the norm is 0
void import_lp_normalization(NodeImport& node) {
  node.inputs_between(1, 1);
  const int64_t p = node.integer("p", 2);
  if (p != 1 && p != 2) return node.unsupported("p must be 1 or 2, got {}", p);
  const std::vector<int64_t> axes{node.integer("axis", -1)};
  const ValueId x = node.in(0);
  const ValueId norm =
      node.emit(op(p == 1 ? "reduce_l1" : "reduce_l2", {{0, "axes", axes}, {0, "keepdims", true}}), {x});
  const ValueId one = node.scalar(1, node.dtype(x));
  const ValueId is_zero = node.emit(op("equal"), {norm, node.scalar(0, node.dtype(x))});
  node.finish(op("div"), {x, node.emit(op("where"), {is_zero, one, norm})});
}

// (x - mean(x)) / (sqrt(mean(x^2) - mean(x)^2) + 1e-9), as its definition by ONNX says
void import_mean_variance_normalization(NodeImport& node) {
  node.inputs_between(1, 1);
  const std::vector<int64_t> axes = node.integers("axes").value_or(std::vector<int64_t>{0, 2, 3});
  const ValueId x = node.in(0);
  const auto mean = [&](ValueId of) {
    return node.emit(op("reduce_mean", {{0, "axes", axes}, {0, "keepdims", true}}), {of});
  };
  const ValueId mean_x = mean(x);
  const ValueId square_of_mean = node.emit(op("mul"), {mean_x, mean_x});
  const ValueId mean_of_square = mean(node.emit(op("mul"), {x, x}));
  const ValueId deviation = node.emit(op("sqrt"), {node.emit(op("sub"), {mean_of_square, square_of_mean})});
  const ValueId divisor = node.emit(op("add"), {deviation, node.scalar(1e-9, node.dtype(x))});
  node.finish(op("div"), {node.emit(op("sub"), {x, mean_x}), divisor});
}

}  // namespace mj::onnx
