// SPDX-License-Identifier: Apache-2.0
// Pointwise operators that ONNX spells in other ways than ours.
#include <cmath>
#include <limits>

#include "import/ops/irregular.h"
#include "import/rows.h"

namespace mj::onnx {
namespace {

// f(f(a, b), c), ...
ValueId chain(NodeImport& node, std::string_view name) {
  if (node.input_count() == 0) node.fail("takes at least one input");
  ValueId result = node.in(0);
  for (size_t i = 1; i < node.input_count(); ++i) result = node.emit(op(name), {result, node.in(i)});
  return result;
}

// The last link bears the output's name.
void finish_chain(NodeImport& node, std::string_view name) {
  if (node.input_count() != 2) return node.output(0, chain(node, name));
  node.finish(op(name), {node.in(0), node.in(1)});
}

// The bound of a clip as a number; nullopt where it is computed, or where a float cannot hold it.
std::optional<float> known_bound(NodeImport& node, size_t input, float otherwise) {
  if (!node.has(input)) return otherwise;
  const Tensor bound = node.constant(input);
  if (!bound.present() || bound.size() != 1 || bound.dtype() == DType::string) return std::nullopt;
  const double value = bound.to_f64()[0];
  const bool exact = std::isfinite(value) && std::abs(value) <= std::numeric_limits<float>::max() &&
                     static_cast<double>(static_cast<float>(value)) == value;
  return exact || std::isinf(value) ? std::optional(static_cast<float>(value)) : std::nullopt;
}

}  // namespace

// Before opset 7 the second input is broadcast where an attribute says so, along the axes from `axis` on.
void import_broadcast_6(NodeImport& node) {
  node.inputs_between(2, 2);
  const Row* row = find_row("", node.proto.op_type, 7);
  const ValueId a = node.in(0);
  ValueId b = node.in(1);
  if (node.flag("broadcast", false) && node.has_attribute("axis")) {
    const int64_t rank = node.rank(a), inner = node.rank(b);
    const int64_t axis = node.axis(node.integer("axis", 0), rank);
    if (axis + inner > rank)
      return node.fail("{} has no {} dims from axis {} on", to_string(node.type(a)), inner, axis);
    std::vector<int64_t> behind;
    for (int64_t d = inner; axis + d < rank; ++d) behind.push_back(d);
    if (!behind.empty()) b = node.emit(op("unsqueeze", {{0, "axes", behind}}), {b});
  }
  if (row->import == nullptr) return node.finish(op(row->op->name), {a, b});
  node.finish(op("pow"), {a, b});
}

// Before opset 7 a slope of one dim is one for each channel.
void import_prelu_6(NodeImport& node) {
  node.inputs_between(2, 2);
  const int64_t rank = node.rank(node.in(0));
  ValueId slope = node.in(1);
  std::vector<int64_t> behind;
  for (int64_t d = 1; d + 1 < rank; ++d) behind.push_back(d);
  if (node.rank(slope) == 1 && !behind.empty()) slope = node.emit(op("unsqueeze", {{0, "axes", behind}}), {slope});
  node.finish(op("prelu"), {node.in(0), slope});
}

void import_max(NodeImport& node) { finish_chain(node, "max"); }
void import_min(NodeImport& node) { finish_chain(node, "min"); }
void import_sum(NodeImport& node) { finish_chain(node, "add"); }

// mean(a, b, ...) = (a + b + ...) * (1 / n)
void import_mean(NodeImport& node) {
  const ValueId sum = chain(node, "add");
  const DType dtype = node.dtype(sum);
  node.finish(op("mul"), {sum, node.scalar(1.0 / static_cast<double>(node.input_count()), dtype)});
}

void import_clip(NodeImport& node) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::optional<float> low, high;
  if (node.opset < 11) {
    node.inputs_between(1, 1);
    low = node.number("min", -kInfinity);
    high = node.number("max", kInfinity);
  } else {
    node.inputs_between(1, 3);
    low = known_bound(node, 1, -kInfinity);
    high = known_bound(node, 2, kInfinity);
  }
  if (low && high && *low <= *high) {
    return node.finish(op("clip", {{0, "min", *low}, {0, "max", *high}}), {node.in(0)});
  }
  // With its bounds crossed a clip gives the upper one.
  ValueId result = node.in(0);
  const DType dtype = node.dtype(result);
  if (node.opset < 11) {
    result = node.emit(op("max"), {result, node.scalar(*low, dtype)});
    result = node.emit(op("min"), {result, node.scalar(*high, dtype)});
  } else {
    if (node.has(1)) result = node.emit(op("max"), {result, node.in(1)});
    if (node.has(2)) result = node.emit(op("min"), {result, node.in(2)});
  }
  node.outputs_at_most(1);
  node.output(0, result);
}

// From opset 12 the exponent may be of another type than the base and the result.
void import_pow(NodeImport& node) {
  node.inputs_between(2, 2);
  const ValueId base = node.in(0), exponent = node.in(1);
  const DType dtype = node.dtype(base), exponent_dtype = node.dtype(exponent);
  if (node.failed()) return;
  if (dtype == exponent_dtype) return node.finish(op("pow"), {base, exponent});
  if (is_float(dtype) || is_integer(exponent_dtype)) {
    return node.finish(op("pow"), {base, node.emit(op("cast", {{0, "to", dtype}}), {exponent})});
  }
  const ValueId widened = node.emit(op("cast", {{0, "to", exponent_dtype}}), {base});
  node.finish(op("cast", {{0, "to", dtype}}), {node.emit(op("pow"), {widened, exponent})});
}

void import_bit_shift(NodeImport& node) {
  node.inputs_between(2, 2);
  const std::string direction = node.string("direction", "");
  if (direction != "LEFT" && direction != "RIGHT") {
    return node.fail("direction must be LEFT or RIGHT, got '{}'", direction);
  }
  node.finish(op(direction == "LEFT" ? "shift_left" : "shift_right"), {node.in(0), node.in(1)});
}

// swish(x) = x * sigmoid(alpha * x)
void import_swish(NodeImport& node) {
  node.inputs_between(1, 1);
  const float alpha = node.number("alpha", 1.0f);
  const ValueId x = node.in(0);
  if (alpha == 1.0f) return node.finish(op("silu"), {x});
  const ValueId scaled = node.emit(op("mul"), {x, node.scalar(alpha, node.dtype(x))});
  node.finish(op("mul"), {x, node.emit(op("sigmoid"), {scaled})});
}

// a * sigmoid(alpha a) * b
void import_swiglu(NodeImport& node) {
  node.inputs_between(2, 2);
  const ValueId a = node.in(0), alpha = node.scalar(node.number("alpha", 1), node.dtype(a));
  const ValueId gate = node.emit(op("sigmoid"), {node.emit(op("mul"), {a, alpha})});
  node.finish(op("mul"), {node.emit(op("mul"), {a, gate}), node.in(1)});
}

}  // namespace mj::onnx
