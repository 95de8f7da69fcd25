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

void cast_to(NodeImport& node, DType to) {
  // What concerns floats of a byte or less alone is left out elsewhere, so that equal casts are equal.
  const bool from_strings = node.dtype(node.in(0)) == DType::string;
  if (is_float(to) && bits(to) <= 8 && !from_strings) {
    return node.finish(node.op("cast", {{0, "to", to}}), {node.in(0)});
  }
  node.ignore("saturate");
  node.ignore("round_mode");
  const bool strings = to == DType::string;
  if (strings && from_strings) return node.output(0, node.in(0));
  node.finish(op(strings || from_strings ? "cast_string" : "cast", {{0, "to", to}}), {node.in(0)});
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
