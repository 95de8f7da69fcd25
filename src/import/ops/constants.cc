// SPDX-License-Identifier: Apache-2.0
// Constant, Cast, CastLike, and what is nothing at inference: Identity, Dropout.
#include "import/ops/irregular.h"

namespace mj::onnx {

void import_constant(NodeImport& node) {
  node.inputs_between(0, 0);
  Tensor value;
  if (node.has_attribute("value")) {
    value = node.tensor("value");
  } else if (node.has_attribute("value_float")) {
    value = Tensor::scalar<float>(node.number("value_float", 0));
  } else if (node.has_attribute("value_int")) {
    value = Tensor::scalar<int64_t>(node.integer("value_int", 0));
  } else if (node.has_attribute("value_string")) {
    value = Tensor::strings({}, {node.string("value_string", "")});
  } else if (auto numbers = node.numbers("value_floats")) {
    value = Tensor::of<float>({std::ssize(*numbers)}, *numbers);
  } else if (auto integers = node.integers("value_ints")) {
    value = Tensor::of_i64(*integers);
  } else if (auto strings = node.strings("value_strings")) {
    value = Tensor::strings({std::ssize(*strings)}, *strings);
  } else if (node.has_attribute("sparse_value")) {
    node.unsupported("sparse constants are not supported");
  } else {
    node.fail("has no value");
  }
  node.outputs_at_most(1);
  if (!node.failed()) node.output(0, node.named_constant(std::move(value)));
}

namespace {

// What would round to more than the largest number becomes NaN (e4m3, which has no infinity) or infinite. Bits are put
// in, as numbers that are put together saturate again.
void cast_without_saturating(NodeImport& node, DType to) {
  const ValueId x = node.in(0), wide = node.emit(op("cast", {{0, "to", DType::f32}}), {x});
  ValueId bits = node.emit(op("bit_cast", {{0, "to", DType::u8}}), {node.emit(op("cast", {{0, "to", to}}), {x})});
  const auto limit = [&](double value) { return node.scalar(value, DType::f32); };
  const auto put = [&](ValueId where, uint8_t value) {
    bits = node.emit(op("where"), {where, node.constant(Tensor::scalar(value)), bits});
  };
  if (to == DType::f8e4m3) {  // 448 is the largest; 464, half-way to the next one, rounds to it
    put(node.emit(op("greater"), {node.emit(op("abs"), {wide}), limit(464)}), 0x7f);
  } else {  // 57344 is the largest; 61440, half-way to the next one, does not round to it
    put(node.emit(op("greater_equal"), {wide, limit(61440)}), 0x7c);
    put(node.emit(op("less_equal"), {wide, limit(-61440)}), 0xfc);
  }
  node.finish(op("bit_cast", {{0, "to", to}}), {bits});
}

void cast_to(NodeImport& node, DType to) {
  const bool f8 = to == DType::f8e4m3 || to == DType::f8e5m2;
  node.ignore("round_mode");  // of a type that we do not have
  if (!node.flag("saturate", true) && f8) return cast_without_saturating(node, to);
  node.finish(op("cast", {{0, "to", to}}), {node.in(0)});
}

}  // namespace

void import_cast(NodeImport& node) {
  node.inputs_between(1, 1);
  const DType to = node.dtype("to", DType::none);
  if (to == DType::none) return node.fail("attribute 'to' is missing");
  cast_to(node, to);
}

void import_cast_like(NodeImport& node) {
  node.inputs_between(2, 2);
  cast_to(node, node.dtype(node.optional(1)));
}

void import_identity(NodeImport& node) {
  node.inputs_between(1, 1);
  node.outputs_at_most(1);
  node.output(0, node.in(0));
}

// Its training mode is an attribute before opset 7, never here, and an input from opset 12. Else it keeps everything.
void import_dropout(NodeImport& node) {
  node.inputs_between(1, 3);
  node.ignore("ratio");
  node.ignore("seed");
  if (node.has(2)) {
    const std::vector<int64_t> training = node.known_integers(2, "training_mode");
    if (training.empty() || training[0] != 0) node.unsupported("it is in training mode");
  }
  const ValueId x = node.in(0);
  node.output(0, x);
  if (!node.wants(1)) return;
  const ValueId kept = node.constant(Tensor::scalar(true));
  node.output(1, node.emit(op("expand"), {kept, node.emit(op("shape"), {x})}));
}

}  // namespace mj::onnx
