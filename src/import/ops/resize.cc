// SPDX-License-Identifier: Apache-2.0
// Resize and its forerunner Upsample.
#include <algorithm>

#include "import/ops/irregular.h"

namespace mj::onnx {
namespace {

// Before opset 11 output x reads input x / scale; "nearest" then rounds down, or up where it makes smaller.
void import_asymmetric(NodeImport& node, ValueId scales, bool only_grows = false) {
  std::string mode = node.string("mode", "nearest");
  if (mode == "bilinear") mode = "linear";
  std::string nearest_mode = "floor";
  if (mode == "nearest" && !node.failed() && !(only_grows && !node.graph.value(scales).is_constant())) {
    const Tensor known = node.graph.value(scales).info.constant;
    if (!known.present() || !is_float(known.dtype()))
      return node.unsupported("the scales must be known before running");
    const std::vector<double> values = known.to_f64();
    const bool grows = std::any_of(values.begin(), values.end(), [](double v) { return v > 1; });
    const bool shrinks = std::any_of(values.begin(), values.end(), [](double v) { return v < 1; });
    if (grows && shrinks) return node.unsupported("it enlarges one axis and shrinks another");
    if (shrinks) nearest_mode = "ceil";
  }
  node.finish(op("resize", {{0, "mode", mode},
                            {0, "coordinate_transformation_mode", std::string("asymmetric")},
                            {0, "nearest_mode", nearest_mode}}),
              {node.in(0), kAbsent, scales});
}

}  // namespace

void import_upsample(NodeImport& node) {
  if (node.opset >= 9) {
    node.inputs_between(2, 2);
    return import_asymmetric(node, node.in(1), true);
  }
  node.inputs_between(1, 1);
  const auto scales = node.numbers("scales");
  if (!scales) return node.fail("attribute 'scales' is missing");
  import_asymmetric(node, node.constant(Tensor::of<float>({std::ssize(*scales)}, *scales)));
}

void import_resize_10(NodeImport& node) {
  node.inputs_between(2, 2);
  import_asymmetric(node, node.in(1));
}

// Exporters leave out `roi` and `scales` by giving empty tensors.
void import_resize(NodeImport& node) {
  node.inputs_between(1, 4);
  std::vector<ValueId> inputs = node.inputs();
  for (size_t i = 1; i < inputs.size(); ++i) {
    if (!node.has(i)) continue;
    const Type& type = node.type(inputs[i]);
    if (type.ranked() && element_count(*type.shape) == Dim(0)) inputs[i] = kAbsent;
  }
  node.finish(node.op("resize"), inputs);
}

// Before opset 20 its modes had the names they have for images.
void import_grid_sample(NodeImport& node) {
  node.inputs_between(2, 2);
  std::string mode = node.string("mode", "linear");
  if (mode == "bilinear") mode = "linear";
  if (mode == "bicubic") mode = "cubic";
  node.finish(node.op("grid_sample", {{0, "mode", mode}}), node.inputs());
}

// grid[n, place] = theta[n] (place, 1) for the places of a grid_sample that would leave its input as it is; `size` is
// [N,C,H,W] or [N,C,D,H,W].
void import_affine_grid(NodeImport& node) {
  node.inputs_between(2, 2);
  const ValueId theta = node.in(0), size = node.in(1);
  const bool corners = node.flag("align_corners", false);
  const int64_t length = node.rank(size) == 1 ? (*node.type(size).shape)[0].constant().value_or(0) : 0;
  if (node.failed()) return;
  if (length == 0) return node.unsupported("size must be 4 or 5 numbers, and how many only running can tell");
  if (length != 4 && length != 5) return node.fail("size must be 4 or 5 numbers, got {}", to_string(node.type(size)));
  const DType dtype = node.dtype(theta);
  const auto number = [&](int64_t value) { return node.constant(Tensor::scalar(value)); };
  const auto real = [&](double value) { return node.scalar(value, dtype); };
  const Op gather = op("gather", {{0, "axis", int64_t{0}}}), cast = op("cast", {{0, "to", dtype}});
  const Op join = op("concat", {{0, "axis", int64_t{-1}}});
  const ValueId space = node.emit(op("slice"), {size, node.integers_constant(std::vector<int64_t>{2}),
                                                node.integers_constant(std::vector<int64_t>{length})});
  std::vector<ValueId> columns;  // the innermost axis first, then ones
  for (int64_t d = length - 1; d >= 2; --d) {
    const ValueId n = node.emit(gather, {size, number(d)});
    const ValueId places = node.emit(cast, {node.emit(op("range"), {number(0), n, number(1)})});
    const ValueId steps = corners ? node.emit(op("sub"), {n, number(1)}) : n;
    // 2 i / (n - 1) - 1, or (2 i + 1) / n - 1
    ValueId at = node.emit(op("mul"), {places, real(2)});
    if (!corners) at = node.emit(op("add"), {at, real(1)});
    at = node.emit(op("sub"), {node.emit(op("div"), {at, node.emit(cast, {steps})}), real(1)});
    std::vector<int64_t> shape(static_cast<size_t>(length - 2), 1);
    shape[static_cast<size_t>(d - 2)] = -1;
    columns.push_back(node.emit(op("expand"), {node.emit(op("reshape"), {at, node.integers_constant(shape)}), space}));
  }
  columns.push_back(node.emit(op("expand"), {real(1), space}));
  const std::vector<int64_t> column{length - 2};
  for (ValueId& each : columns) each = node.emit(op("unsqueeze", {{0, "axes", column}}), {each});
  const std::vector<int64_t> flat{-1, length - 1}, numbers{length - 2};
  const ValueId grid = node.emit(op("reshape"), {node.emit(join, columns), node.integers_constant(flat)});
  const ValueId turned = node.emit(op("transpose", {{0, "perm", std::vector<int64_t>{0, 2, 1}}}), {theta});
  const ValueId placed = node.emit(op("matmul"), {grid, turned});
  const ValueId batch = node.emit(op("slice"), {size, node.integers_constant(std::vector<int64_t>{0}),
                                                node.integers_constant(std::vector<int64_t>{1})});
  const ValueId shape = node.emit(join, {batch, space, node.integers_constant(numbers)});
  node.finish(op("reshape"), {placed, shape});
}

// Without the half pixel that opset 16 takes off.
void import_roi_align_10(NodeImport& node) {
  node.inputs_between(3, 3);
  node.finish(node.op("roi_align", {{0, "coordinate_transformation_mode", std::string("output_half_pixel")}}),
              node.inputs());
}

}  // namespace mj::onnx
