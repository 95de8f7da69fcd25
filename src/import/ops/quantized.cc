// SPDX-License-Identifier: Apache-2.0
// Quantized operators, spelled out with quantize_linear, dequantize_linear and integer maths.
#include "import/ops/quantized.h"

#include "import/ops/irregular.h"

namespace mj::onnx {
namespace {

// x as i32, less its zero point if there is one.
ValueId centered(NodeImport& node, size_t x, ValueId zero_point) {
  const Op to_i32 = op("cast", {{0, "to", DType::i32}});
  const ValueId wide = node.emit(to_i32, {node.in(x)});
  if (zero_point == kAbsent) return wide;
  return node.emit(op("sub"), {wide, node.emit(to_i32, {zero_point})});
}

}  // namespace

ValueId one_number(NodeImport& node, size_t input) {
  if (!node.has(input)) return kAbsent;
  const ValueId given = node.in(input);
  const Type& type = node.type(given);
  const Tri single = type.ranked() ? equal(element_count(*type.shape), 1) : Tri::unknown;
  if (single == Tri::yes) return given;
  if (single == Tri::no) {
    node.unsupported("input {} must be one number, got {}", input, to_string(type));
    return kAbsent;
  }
  return node.emit(op("reshape"), {given, node.integers_constant({})});
}

ValueId dequantized(NodeImport& node, ValueId x, ValueId scale, ValueId zero, int64_t axis) {
  if (zero != kAbsent && node.type(scale).rank() == 1 && node.type(zero).rank() == 0) {  // one for all
    zero = node.emit(op("expand"), {zero, node.emit(op("shape"), {scale})});
  }
  return node.emit(op("dequantize_linear", {{0, "axis", axis}}), {x, scale, zero});
}

// A zero point of one element may have any rank; ours has that of the scale.
void import_scaled(NodeImport& node, std::string_view name) {
  node.inputs_between(2, 3);
  node.ignore("precision");  // of the division, which is done in f32 or wider
  std::vector<ValueId> inputs = node.inputs();
  if (node.has(2) && node.type(inputs[1]).rank() == 0 && node.type(inputs[2]).rank() == 1) {
    inputs[2] = node.emit(op("squeeze", {{0, "axes", std::vector<int64_t>{0}}}), {inputs[2]});
  }
  node.finish(node.op(name), inputs);
}

void import_quantize_linear(NodeImport& node) { import_scaled(node, "quantize_linear"); }
void import_dequantize_linear(NodeImport& node) { import_scaled(node, "dequantize_linear"); }

// scale = (max(x, 0) - min(x, 0)) / 255, zero point = saturate(round(-min / scale)); a tensor of zeros has scale 1
DynamicallyQuantized dynamically_quantized(NodeImport& node, ValueId x) {
  const DType dtype = node.dtype(x);
  const auto all = [&](const char* name) { return node.emit(op(name, {{0, "keepdims", false}}), {x}); };
  const ValueId zero = node.scalar(0, dtype);
  const ValueId low = node.emit(op("min"), {all("reduce_min"), zero});
  const ValueId high = node.emit(op("max"), {all("reduce_max"), zero});
  const ValueId range = node.emit(op("sub"), {high, low});
  const ValueId spread = node.emit(op("div"), {range, node.scalar(255, dtype)});
  const ValueId flat = node.emit(op("equal"), {range, zero});
  const ValueId scale = node.emit(op("where"), {flat, node.scalar(1, dtype), spread});
  const ValueId point = node.emit(op("round"), {node.emit(op("neg"), {node.emit(op("div"), {low, scale})})});
  const ValueId clipped = node.emit(op("clip", {{0, "min", 0.0f}, {0, "max", 255.0f}}), {point});
  const ValueId zero_point = node.emit(op("cast", {{0, "to", DType::u8}}), {clipped});
  return {node.emit(op("quantize_linear"), {x, scale, zero_point}), scale, zero_point};
}

void import_dynamic_quantize_linear(NodeImport& node) {
  node.inputs_between(1, 1);
  node.outputs_at_most(3);
  const DynamicallyQuantized y = dynamically_quantized(node, node.in(0));
  node.output(0, y.values);
  node.output(1, y.scale);
  node.output(2, y.zero_point);
}

void import_matmul_integer(NodeImport& node) {
  node.inputs_between(2, 4);
  // One for each row would have to be a column.
  const ValueId zero = one_number(node, 2);
  node.finish(op("matmul"), {centered(node, 0, zero), centered(node, 1, node.optional(3))});
}

void import_conv_integer(NodeImport& node) {
  node.inputs_between(2, 4);
  node.ignore("kernel_shape");
  const ValueId zero_of_x = one_number(node, 2);
  // One zero point for each output channel stands along the first axis of the weights.
  const int64_t rank = node.type(node.in(1)).rank();
  const bool many = node.has(3) && node.type(node.in(3)).rank() == 1 && rank > 1;
  std::vector<int64_t> others;
  for (int64_t axis = 1; many && axis < rank; ++axis) others.push_back(axis);
  const ValueId zero = !node.has(3) ? kAbsent
                       : many       ? node.emit(op("unsqueeze", {{0, "axes", others}}), {node.in(3)})
                                    : node.in(3);
  node.finish(node.op("conv"), {centered(node, 0, zero_of_x), centered(node, 1, zero)});
}

// Inputs a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point.
void import_qlinear_matmul(NodeImport& node) {
  node.inputs_between(8, 8);
  const ValueId a = dequantized(node, node.in(0), one_number(node, 1), one_number(node, 2), -1);
  const ValueId b = dequantized(node, node.in(3), node.in(4), node.in(5), -1);
  node.finish(op("quantize_linear"), {node.emit(op("matmul"), {a, b}), one_number(node, 6), one_number(node, 7)});
}

// Inputs x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, bias in units of x_scale * w_scale.
void import_qlinear_conv(NodeImport& node) {
  node.inputs_between(8, 9);
  node.ignore("kernel_shape");
  const ValueId scale_of_x = one_number(node, 1);
  std::vector<ValueId> inputs{dequantized(node, node.in(0), scale_of_x, one_number(node, 2), 1),
                              dequantized(node, node.in(3), node.in(4), node.in(5), 0)};
  if (node.has(8)) {
    const ValueId scale = node.emit(op("mul"), {scale_of_x, node.in(4)});
    const ValueId bias = node.emit(op("cast", {{0, "to", node.dtype(scale)}}), {node.in(8)});
    inputs.push_back(node.emit(op("mul"), {bias, scale}));
  }
  node.finish(op("quantize_linear"), {node.emit(node.op("conv"), inputs), one_number(node, 6), one_number(node, 7)});
}

}  // namespace mj::onnx
