// SPDX-License-Identifier: Apache-2.0
// Resize and its forerunner Upsample.
#include <algorithm>

#include "import/ops/irregular.h"

namespace mj::onnx {
namespace {

// Before opset 11 output x reads input x / scale; "nearest" then rounds down, or up where it makes smaller.
void import_asymmetric(NodeImport& node, ValueId scales) {
  std::string mode = node.string("mode", "nearest");
  if (mode == "bilinear") mode = "linear";
  std::string nearest_mode = "floor";
  if (mode == "nearest" && !node.failed()) {
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
    return import_asymmetric(node, node.in(1));
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

}  // namespace mj::onnx
