// SPDX-License-Identifier: Apache-2.0
// Constant, Cast, CastLike, and what is nothing at inference: Identity, Dropout.
#include "import/ops/irregular.h"
#include "import/ops/random.h"

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

namespace {

void keep_all(NodeImport& node) {
  const ValueId x = node.in(0);
  node.output(0, x);
  if (!node.wants(1)) return;
  const ValueId kept = node.constant(Tensor::scalar(true));
  node.output(1, node.emit(op("expand"), {kept, node.emit(op("shape"), {x})}));
}

}  // namespace

// Its training mode is an attribute before opset 7, never there from then on, and an input from opset 12.
void import_dropout_6(NodeImport& node) {
  node.inputs_between(1, 1);
  node.ignore("ratio");
  if (!node.flag("is_test", false)) return node.unsupported("it is in training mode");
  keep_all(node);
}

// In training mode y = x / (1 - ratio) where a number drawn from [0, 1) is at least the ratio, else 0.
void import_dropout(NodeImport& node) {
  node.inputs_between(1, 3);
  node.ignore("ratio");
  const int64_t seed = drawn_seed(node);
  const Tensor known = node.constant(2);
  if (!node.has(2) || (known.present() && known.size() == 1 && known.to_i64()[0] == 0)) return keep_all(node);
  const ValueId x = node.in(0), training = node.in(2);
  const DType dtype = node.dtype(x);
  const Op to_x = op("cast", {{0, "to", dtype}});
  const ValueId ratio = node.has(1) ? node.emit(to_x, {node.in(1)}) : node.scalar(0.5, dtype);
  const ValueId one = node.scalar(1, dtype);
  const ValueId drawn =
      node.emit(op("random", {{0, "dtype", dtype}, {0, "seed", seed}}), {node.emit(op("shape"), {x})});
  const ValueId off = node.emit(op("not"), {training});
  const ValueId kept = node.emit(op("or"), {off, node.emit(op("greater_equal"), {drawn, ratio})});
  const ValueId rest = node.emit(op("where"), {training, node.emit(op("sub"), {one, ratio}), one});
  node.output(0, node.emit(op("where"), {kept, node.emit(op("div"), {x, rest}), node.scalar(0, dtype)}));
  if (node.wants(1)) node.output(1, kept);
}

}  // namespace mj::onnx
