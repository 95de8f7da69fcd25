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

// In training mode the statistics are the input's own, and the running ones follow them by (1 - momentum).
void import_batch_normalization(NodeImport& node) {
  node.inputs_between(5, 5);
  const float momentum = node.number("momentum", 0.9f);
  if (node.flag("training_mode", false)) {
    std::vector<ValueId> inputs = node.inputs();
    const ValueId x = node.in(0);
    std::vector<int64_t> axes{0};
    for (int64_t d = 2; d < node.rank(x); ++d) axes.push_back(d);
    const auto mean = [&](ValueId of, bool keep) {
      return node.emit(op("reduce_mean", {{0, "axes", axes}, {0, "keepdims", keep}}), {of});
    };
    const ValueId centered = node.emit(op("sub"), {x, mean(x, true)});
    inputs[3] = mean(x, false);
    inputs[4] = mean(node.emit(op("mul"), {centered, centered}), false);
    for (size_t i = 1; i < 3; ++i) {
      if (!node.wants(i)) continue;
      const ValueId running = node.in(i + 2);
      const DType dtype = node.dtype(running);
      const ValueId old = node.emit(op("mul"), {running, node.scalar(momentum, dtype)});
      const ValueId now = node.emit(op("mul"), {inputs[i + 2], node.scalar(1 - momentum, dtype)});
      node.output(i, node.emit(op("add"), {old, now}));
    }
    return node.output(0, node.emit(node.op("batch_norm"), inputs));
  }
  if (node.opset < 9 && !node.flag("spatial", true)) return node.unsupported("spatial is 0");
  node.finish(node.op("batch_norm"), node.inputs());
}

// Before opset 7 an attribute says whether the statistics are to be used.
void import_batch_normalization_6(NodeImport& node) {
  if (!node.flag("is_test", false)) return node.unsupported("it is in training mode");
  import_batch_normalization(node);
}

void import_layer_normalization(NodeImport& node) {
  node.inputs_between(2, 3);
  check_stash_type(node);
  const Op norm = node.op("layer_norm");
  if (!node.wants(1) && !node.wants(2)) return node.finish(norm, node.inputs());
  const int64_t rank = node.rank(node.in(0));
  std::vector<int64_t> axes;
  for (int64_t d = node.axis(node.integer("axis", -1), rank); d < rank; ++d) axes.push_back(d);
  // The statistics are f32, whatever the input is.
  const bool narrow = node.dtype(node.in(0)) != DType::f32;
  const ValueId x = narrow ? node.emit(op("cast", {{0, "to", DType::f32}}), {node.in(0)}) : node.in(0);
  const auto mean = [&](ValueId of) { return node.emit(op("reduce_mean", {{0, "axes", axes}}), {of}); };
  const ValueId centered = node.emit(op("sub"), {x, mean(x)});
  const ValueId variance = mean(node.emit(op("mul"), {centered, centered}));
  const ValueId sum = node.emit(op("add"), {variance, node.scalar(node.number("epsilon", 1e-5f), DType::f32)});
  node.output(0, node.emit(norm, node.inputs()));
  node.output(1, mean(x));
  node.output(2, node.emit(op("reciprocal"), {node.emit(op("sqrt"), {sum})}));
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
