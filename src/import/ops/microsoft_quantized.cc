// SPDX-License-Identifier: Apache-2.0
// Quantized operators of domain com.microsoft: what they do to real numbers, between dequantize_linear and
// quantize_linear.
#include "import/ops/flatten.h"
#include "import/ops/irregular.h"
#include "import/ops/quantized.h"

namespace mj::onnx {
namespace {

// Inputs `first` to `first` + 2: bytes, their scale and zero point.
ValueId real(NodeImport& node, size_t first) {
  return dequantized(node, node.in(first), one_number(node, first + 1), one_number(node, first + 2), 0);
}

// Output 0 is y with scale and zero point of inputs `first` and `first` + 1; without a zero point bytes are `like`.
void finish_quantized(NodeImport& node, ValueId y, size_t first, DType like) {
  node.outputs_at_most(1);
  std::vector<ValueId> inputs{y, one_number(node, first)};
  if (node.has(first + 1)) inputs.push_back(one_number(node, first + 1));
  node.output(
      0, node.emit(op("quantize_linear", {{0, "output_dtype", node.has(first + 1) ? DType::none : like}}), inputs));
}

void binary(NodeImport& node, std::string_view name) {
  node.inputs_between(7, 8);
  const ValueId y = node.emit(op(name), {real(node, 0), real(node, 3)});
  finish_quantized(node, y, 6, node.dtype(node.in(0)));
}

// x, its scale and zero point, those of y.
template <class Maths>
void unary(NodeImport& node, Maths maths) {
  node.inputs_between(4, 5);
  finish_quantized(node, maths(real(node, 0)), 3, node.dtype(node.in(0)));
}

ValueId plus_bias(NodeImport& node, ValueId product, size_t bias) {
  return node.has(bias) ? node.emit(op("add"), {product, node.in(bias)}) : product;
}

}  // namespace

void import_qlinear_add(NodeImport& node) { binary(node, "add"); }
void import_qlinear_mul(NodeImport& node) { binary(node, "mul"); }

void import_qlinear_sigmoid(NodeImport& node) {
  unary(node, [&](ValueId x) { return node.emit(op("sigmoid"), {x}); });
}

void import_qlinear_leaky_relu(NodeImport& node) {
  unary(node, [&](ValueId x) { return node.emit(op("leaky_relu", {{0, "alpha", node.number("alpha", 0.01f)}}), {x}); });
}

void import_qlinear_average_pool(NodeImport& node) {
  unary(node, [&](ValueId x) { return node.emit(node.op("average_pool"), {x}); });
}

void import_qlinear_global_average_pool(NodeImport& node) {
  const bool last = node.flag("channels_last", false);
  unary(node, [&](ValueId x) {
    std::vector<int64_t> axes;
    for (int64_t d = last ? 1 : 2; d < node.rank(x) - (last ? 1 : 0); ++d) axes.push_back(d);
    if (axes.empty()) node.fail("its input must have spatial dims, got {}", to_string(node.type(x)));
    return node.emit(op("reduce_mean", {{0, "axes", axes}}), {x});
  });
}

// Before opset 13 of ONNX, as the attribute says, all dims from the axis on are one.
void import_qlinear_softmax(NodeImport& node) {
  const int64_t opset = node.integer("opset", 0), given = node.integer("axis", -1);
  if (opset < 1) return node.fail("attribute 'opset' must be positive, got {}", opset);
  unary(node, [&](ValueId x) {
    const int64_t rank = node.rank(x), axis = node.axis(given, rank);
    if (opset >= 13 || axis == rank - 1) return node.emit(op("softmax", {{0, "axis", axis}}), {x});
    const ValueId rows = node.emit(op("softmax", {{0, "axis", int64_t{-1}}}), {flatten(node, x, axis)});
    return node.emit(op("reshape"), {rows, node.emit(op("shape"), {x})});
  });
}

// Inputs scale and zero point of y, then bytes, scale and zero point of each part.
void import_qlinear_concat(NodeImport& node) {
  const size_t count = node.input_count();
  if (count < 5 || (count - 2) % 3 != 0) {
    return node.fail("takes y's scale and zero point and three inputs for each part, got {} inputs", count);
  }
  std::vector<ValueId> parts;
  for (size_t i = 2; i < count; i += 3) parts.push_back(real(node, i));
  if (!node.has_attribute("axis")) return node.fail("attribute 'axis' is missing");
  const int64_t axis = node.axis(node.integer("axis", 0), node.rank(node.in(2)));
  finish_quantized(node, node.emit(op("concat", {{0, "axis", axis}}), parts), 0, DType::none);
}

// Inputs condition, then x, y and what the scale and zero point of the result are.
void import_qlinear_where(NodeImport& node) {
  node.inputs_between(9, 9);
  const ValueId y = node.emit(op("where"), {node.in(0), real(node, 1), real(node, 4)});
  finish_quantized(node, y, 7, DType::none);
}

// As ai.onnx has it, and with channels last.
void import_microsoft_qlinear_conv(NodeImport& node) {
  if (node.flag("channels_last", false)) {
    return node.unsupported("channels_last is 1; compile the model as it was before ONNX Runtime optimized it");
  }
  import_qlinear_conv(node);
}

// Inputs a, b, their scales and zero points, and c of whole steps: alpha * scale of a * scale of b. Without y's scale
// the result is real.
void import_qgemm(NodeImport& node) {
  node.inputs_between(6, 9);
  node.outputs_at_most(1);
  const bool turned = node.flag("transB", false);
  const ValueId scale_of_a = one_number(node, 1);
  const ValueId a = dequantized(node, node.in(0), scale_of_a, one_number(node, 2), 0);
  const ValueId b = dequantized(node, node.in(3), node.in(4), node.optional(5), turned ? 0 : 1);
  std::vector<ValueId> inputs{a, b};
  if (node.has(6)) {
    const float alpha = node.number("alpha", 1);
    ValueId step = node.emit(op("mul"), {scale_of_a, node.in(4)});
    const DType dtype = node.dtype(step);
    if (alpha != 1) step = node.emit(op("mul"), {step, node.scalar(alpha, dtype)});
    const ValueId steps = node.emit(op("cast", {{0, "to", dtype}}), {node.in(6)});
    inputs.push_back(node.emit(op("mul"), {steps, step}));
  }
  const ValueId y = node.emit(node.op("gemm"), inputs);
  if (!node.has(7)) {
    if (node.has(8)) return node.fail("a zero point of y needs a scale of y");
    return node.output(0, y);
  }
  finish_quantized(node, y, 7, node.dtype(node.in(0)));
}

// Inputs a, b, their scales, their zero points, bias.
void import_matmul_integer_to_float(NodeImport& node) {
  node.inputs_between(4, 7);
  node.outputs_at_most(1);
  const ValueId a = dequantized(node, node.in(0), one_number(node, 2), one_number(node, 4), -1);
  const ValueId b = dequantized(node, node.in(1), node.in(3), node.optional(5), -1);
  node.output(0, plus_bias(node, node.emit(op("matmul"), {a, b}), 6));
}

// Inputs a of real numbers, b, its scale and zero point, bias.
void import_dynamic_quantize_matmul(NodeImport& node) {
  node.inputs_between(3, 5);
  node.outputs_at_most(1);
  const DynamicallyQuantized quantized = dynamically_quantized(node, node.in(0));
  const ValueId a = dequantized(node, quantized.values, quantized.scale, quantized.zero_point, -1);
  const ValueId b = dequantized(node, node.in(1), node.in(2), node.optional(3), -1);
  node.output(0, plus_bias(node, node.emit(op("matmul"), {a, b}), 4));
}

}  // namespace mj::onnx
