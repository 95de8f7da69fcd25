// SPDX-License-Identifier: Apache-2.0
// Operators that move or cut without arithmetic. What newer opsets take as inputs were attributes once.
#include <algorithm>

#include "import/ops/flatten.h"
#include "import/ops/irregular.h"

namespace mj::onnx {

ValueId flatten(NodeImport& node, ValueId x, int64_t axis) {
  const int64_t rank = node.rank(x);
  if (node.failed()) return kAbsent;
  const auto to = [&](int64_t rows, int64_t columns) {
    const int64_t dims[] = {rows, columns};
    return node.emit(op("reshape", {{0, "allowzero", false}}), {x, node.integers_constant(dims)});
  };
  if (axis == 0) return to(1, -1);
  if (axis == rank) return to(-1, 1);
  const Shape& shape = *node.type(x).shape;
  const auto known = [&](int64_t begin, int64_t end) {
    return element_count(Shape(shape.begin() + begin, shape.begin() + end)).constant().value_or(0);
  };
  // -1 finds the other side even with no rows at all, as long as this side is not 0.
  if (const int64_t columns = known(axis, rank); columns > 0) return to(-1, columns);
  if (const int64_t rows = known(0, axis); rows > 0) return to(rows, -1);
  const ValueId sizes[] = {node.emit(op("shape", {{0, "end", axis}}), {x}),
                           node.emit(op("shape", {{0, "start", axis}}), {x})};
  std::vector<ValueId> products;
  for (ValueId size : sizes) {
    const std::vector<int64_t> first{0};
    products.push_back(node.emit(op("reduce_prod", {{0, "axes", first}, {0, "keepdims", true}}), {size}));
  }
  return node.emit(op("reshape", {{0, "allowzero", true}}),
                   {x, node.emit(op("concat", {{0, "axis", int64_t{0}}}), products)});
}

void import_flatten(NodeImport& node) {
  node.inputs_between(1, 1);
  const ValueId x = node.in(0);
  const int64_t rank = node.rank(x), given = node.integer("axis", 1);
  if (given < -rank || given > rank) return node.fail("axis must be in [{}, {}], got {}", -rank, rank, given);
  node.outputs_at_most(1);
  node.output(0, flatten(node, x, given < 0 ? given + rank : given));
}

namespace {

// Are the numbers that newer opsets take as input 1 known? They may be computed.
bool are_known(NodeImport& node) {
  return node.has(1) && node.graph.value(node.in(1)).info.known_elements().has_value();
}

// `axes` of Squeeze, Unsqueeze: an attribute before opset 13, then an input.
std::optional<std::vector<int64_t>> axes_of(NodeImport& node) {
  if (node.opset < 13) {
    node.inputs_between(1, 1);
    return node.integers("axes");
  }
  node.inputs_between(1, 2);
  if (!node.has(1)) return std::nullopt;
  return node.known_integers(1, "axes");
}

}  // namespace

void import_squeeze(NodeImport& node) {
  if (node.opset >= 13 && node.has(1) && !are_known(node)) return node.finish(op("squeeze_at"), node.inputs());
  std::optional<std::vector<int64_t>> axes = axes_of(node);
  const ValueId x = node.in(0);
  if (!axes) {  // every dim of 1, and those alone
    axes.emplace();
    const int64_t rank = node.rank(x);
    for (int64_t i = 0; i < rank; ++i) {
      const Dim& dim = (*node.type(x).shape)[static_cast<size_t>(i)];
      if (!dim.constant()) return node.finish(op("squeeze_at"), {x});
      if (dim == Dim(1)) axes->push_back(i);
    }
  }
  if (axes->empty()) return node.output(0, x);
  node.finish(op("squeeze", {{0, "axes", *axes}}), {x});
}

void import_unsqueeze(NodeImport& node) {
  if (node.opset >= 13 && node.has(1) && !are_known(node)) return node.finish(op("unsqueeze_at"), node.inputs());
  const std::optional<std::vector<int64_t>> axes = axes_of(node);
  if (!axes) return node.fail("has no axes");
  node.finish(op("unsqueeze", {{0, "axes", *axes}}), {node.in(0)});
}

// `sizes` are an attribute before opset 13, then an input.
void import_split(NodeImport& node) {
  std::vector<int64_t> sizes;
  const auto parts = static_cast<int64_t>(node.output_count());
  const int64_t axis = node.integer("axis", 0);
  if (node.opset < 13) {
    node.inputs_between(1, 1);
    sizes = node.integers("split").value_or(sizes);
  } else {
    node.inputs_between(1, 2);
    if (node.has(1) && !are_known(node)) {
      return node.finish(op("split_at", {{0, "axis", axis}}), node.inputs(), static_cast<int>(parts));
    }
    if (node.has(1)) sizes = node.known_integers(1, "the sizes");
  }
  const bool given = node.opset < 13 ? node.has_attribute("split") : node.has(1);
  if (given && std::ssize(sizes) != parts) return node.fail("{} sizes for {} outputs", sizes.size(), parts);
  if (const int64_t told = node.integer("num_outputs", parts); told != parts) {
    return node.fail("num_outputs is {}, but the node has {} outputs", told, parts);
  }
  node.finish(op("split", {{0, "axis", axis}, {0, "sizes", sizes}, {0, "num_outputs", given ? int64_t{0} : parts}}),
              {node.in(0)}, static_cast<int>(parts));
}

void import_compress(NodeImport& node) {
  node.inputs_between(2, 2);
  const bool flat = !node.has_attribute("axis");
  node.finish(node.op("compress", {{0, "flat", flat}}), node.inputs());
}

void import_string_normalizer(NodeImport& node) {
  node.inputs_between(1, 1);
  node.ignore("locale");  // cases are those of Unicode
  node.finish(node.op("string_normalizer"), {node.in(0)});
}

void import_string_split(NodeImport& node) {
  node.inputs_between(1, 1);
  node.finish(node.op("string_split"), {node.in(0)}, 2);
}

void import_unique(NodeImport& node) {
  node.inputs_between(1, 1);
  const bool flat = !node.has_attribute("axis");
  node.finish(node.op("unique", {{0, "flat", flat}}), {node.in(0)}, 4);
}

// With the block index as the inner part of the channel: the channels of the other order, [b, b, C], as [C, b, b].
void import_space_to_depth(NodeImport& node) {
  node.inputs_between(1, 1);
  const std::string mode = node.string("mode", "DCR");
  const Op blocks = node.op("space_to_depth");
  if (mode == "DCR") return node.finish(blocks, {node.in(0)});
  if (mode != "CRD") return node.fail("mode must be DCR or CRD, got '{}'", mode);
  const ValueId x = node.in(0);
  if (node.rank(x) != 4) return node.fail("its input must have 4 dims, got {}", to_string(node.type(x)));
  const ValueId out = node.emit(blocks, {x});
  const int64_t split[] = {0, -1};
  const ValueId channels = node.emit(op("shape", {{0, "start", int64_t{1}}, {0, "end", int64_t{2}}}), {x});
  const ValueId shape = node.emit(op("shape"), {out});
  const ValueId flat = node.emit(op("shape", {{0, "start", int64_t{2}}}), {out});
  const ValueId rows =
      node.emit(op("concat", {{0, "axis", int64_t{0}}}), {node.integers_constant(split), channels, flat});
  const std::vector<int64_t> perm{0, 2, 1, 3, 4};
  const ValueId parts = node.emit(op("reshape"), {out, rows});
  node.finish(op("reshape"), {node.emit(op("transpose", {{0, "perm", perm}}), {parts}), shape});
}

// The name of ScatterElements in opsets 9 and 10.
void import_scatter(NodeImport& node) {
  node.inputs_between(3, 3);
  node.finish(node.op("scatter_elements"), node.inputs());
}

void import_slice_attributes(NodeImport& node) {
  node.inputs_between(1, 1);
  const auto starts = node.integers("starts"), ends = node.integers("ends"), axes = node.integers("axes");
  if (!starts || !ends) return node.fail("attributes 'starts' and 'ends' must be given");
  std::vector<ValueId> inputs{node.in(0), node.integers_constant(*starts), node.integers_constant(*ends)};
  if (axes) inputs.push_back(node.integers_constant(*axes));
  node.finish(op("slice"), inputs);
}

void import_pad_attributes(NodeImport& node) {
  node.inputs_between(1, 1);
  const auto pads = node.integers("pads");
  if (!pads) return node.fail("attribute 'pads' is missing");
  const ValueId x = node.in(0);
  const ValueId value = node.scalar(node.number("value", 0), node.dtype(x));
  node.finish(node.op("pad"), {x, node.integers_constant(*pads), value});
}

void import_slice(NodeImport& node) {
  node.inputs_between(3, 5);
  node.finish(op("slice"), node.inputs());
}

void import_pad(NodeImport& node) {
  node.inputs_between(2, 4);
  node.finish(node.op("pad"), node.inputs());
}

}  // namespace mj::onnx
