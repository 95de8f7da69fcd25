// SPDX-License-Identifier: Apache-2.0
// Transposes move towards the outputs, where they meet their inverses:
//   f(transpose{p}(x), transpose{p}(y), c)  =>  transpose{p}(f(x, y, c'))   pointwise f; c constant or of one element
//   reduce{axes}(transpose{p}(x))           =>  transpose(reduce{p[axes]}(x))
//   softmax{axis}(transpose{p}(x))          =>  transpose{p}(softmax{p[axis]}(x))      where p[axis] is the last
//   concat{axis}(transpose{p}(x)...)        =>  transpose{p}(concat{p[axis]}(x...))
//   slice_to{axes}(transpose{p}(x))         =>  transpose{p}(slice_to{p[axes]}(x))
//   split{axis}(transpose{p}(x))            =>  transpose{p}(split{p[axis]}(x)) for each result
//   pad(transpose{p}(x), pads)              =>  transpose{p}(pad(x, pads'))
//   resize{axes}(transpose{p}(x), ...)      =>  transpose{p}(resize{p[axes]}(x, ...))
//   layer_norm(transpose{p}(x), ...)        =>  transpose{p}(layer_norm(x, ...))       where both work on the last
//   matmul(transpose{p}(x), W)              =>  transpose{p}(matmul(x, W))             axis, which p keeps; W is a
//   conv(transpose{p}(x), ...)              =>  transpose{p}(conv(x, ...))             constant matrix, conv is 1x1
//                                                                                      with channels last
//   instance_norm(transpose{p}(x), ...)     =>  transpose{p}(instance_norm{channels_last}(x, ...))   where p moves
//                                               channels from the last place; group_norm likewise
//   f(transpose{p}(x), transpose{q}(y))     =>  transpose{p}(f(x, transpose{inverse(p) q}(y)))   where p, but not q,
//                                               keeps the last axis, and so sinks further
//   quantize_linear{axis}(transpose{p}(x), s, z)  =>  transpose{p}(quantize_linear{p[axis]}(x, s, z)), and dequantize
// unless the transposed value is also used by something that it cannot sink through: then there would be two.
#include <algorithm>
#include <array>
#include <numeric>

#include "ops/conv.h"
#include "ops/layer_norm.h"
#include "ops/transpose.h"
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

using Perm = std::vector<int64_t>;

int64_t wrapped(int64_t axis, size_t rank) { return axis < 0 ? axis + static_cast<int64_t>(rank) : axis; }

bool is_reduction(const Node& node) {
  return node.op && (node.op.name().starts_with("reduce_") || node.is("quantized_mean")) &&
         has_field(node.op, "axes") && has_field(node.op, "keepdims");
}

// Element by element, with operands that broadcast.
bool is_elementwise(const Node& node) { return node.op.info().pointwise || node.is("quantized_add"); }

bool keeps_last(const Perm& perm) { return !perm.empty() && perm.back() + 1 == std::ssize(perm); }

// Does each row of the result come from the row of input 0, the last axis, alone?
bool works_on_rows(const Graph& graph, const Node& node) {
  const auto row = [&](size_t i) {
    const ValueId id = i < node.inputs.size() ? node.inputs[i] : kAbsent;
    return id == kAbsent || graph.type(id).rank() == 1;
  };
  if (node.is("layer_norm")) {
    const int64_t axis = node.op.get_if<LayerNorm>()->axis;
    return (axis == -1 || axis + 1 == graph.type(node.inputs[0]).rank()) && row(1) && row(2);
  }
  if (const Conv* conv = node.op.get_if<Conv>(); conv && conv->channels_last && conv->group == 1) {
    if (!graph.type(node.inputs[1]).shape) return false;
    const Shape& weights = graph.shape(node.inputs[1]);
    const auto all = [](const std::vector<int64_t>& list, int64_t number) {
      return std::all_of(list.begin(), list.end(), [&](int64_t x) { return x == number; });
    };
    return std::all_of(weights.begin() + 2, weights.end(), [](const Dim& dim) { return dim == Dim(1); }) &&
           all(conv->strides, 1) && all(conv->pads, 0);
  }
  return (node.is("matmul") || node.is("quantized_matmul")) && graph.value(node.inputs[1]).is_constant() &&
         graph.type(node.inputs[1]).rank() == 2;
}

// Does `perm` make [N,C,...] of [N,...,C]?
bool moves_channels(const Perm& perm) {
  if (perm.size() < 3 || perm[0] != 0 || perm[1] + 1 != std::ssize(perm)) return false;
  for (size_t d = 2; d < perm.size(); ++d) {
    if (perm[d] + 1 != static_cast<int64_t>(d)) return false;
  }
  return true;
}

bool is_channel_norm(const Node& node) {
  return (node.is("instance_norm") || node.is("group_norm")) && !field_of<bool>(node.op, "channels_last");
}

// May `transposed`, by `perm`, sink through its user?
bool sinkable(const Graph& graph, const Node& node, ValueId transposed, const Perm& perm) {
  if (node.op && node.epilogue.empty() && is_channel_norm(node)) {
    return node.inputs[0] == transposed && moves_channels(perm);
  }
  if (node.op && node.epilogue.empty() && works_on_rows(graph, node)) {
    return node.inputs[0] == transposed && perm.size() >= 2 && keeps_last(perm);
  }
  constexpr std::array<std::string_view, 8> kOps{"transpose", "concat", "slice_to",        "split",
                                                 "pad",       "resize", "quantize_linear", "dequantize_linear"};
  if (!node.op || !node.epilogue.empty()) return false;
  return is_elementwise(node) || is_reduction(node) || node.op.name().ends_with("softmax") ||
         std::find(kOps.begin(), kOps.end(), node.op.name()) != kOps.end();
}

// The permutation, if `id` is a transpose that may sink.
std::optional<Perm> sinking(const Graph& graph, ValueId id) {
  if (id == kAbsent || graph.is_output(id)) return std::nullopt;
  const Node* node = graph.producer(id);
  if (!node || !node->is("transpose")) return std::nullopt;
  const Perm perm = node->op.get_if<Transpose>()->order(graph.type(id).rank());
  for (NodeId user : graph.value(id).users) {
    if (!sinkable(graph, graph.node(user), id, perm)) return std::nullopt;
  }
  return perm;
}

ValueId below(const Graph& graph, ValueId transposed) { return graph.producer(transposed)->inputs[0]; }

bool is_one_element(const Type& type) {
  return type.shape &&
         std::all_of(type.shape->begin(), type.shape->end(), [](const Dim& dim) { return dim == Dim(1); });
}

Perm inverse_of(const Perm& perm) {
  Perm inverse(perm.size());
  for (size_t d = 0; d < perm.size(); ++d) inverse[static_cast<size_t>(perm[d])] = static_cast<int64_t>(d);
  return inverse;
}

Tensor transposed_back(const Tensor& tensor, const Perm& perm) {
  std::vector<int64_t> dims(perm.size() - tensor.dims().size(), 1);
  dims.insert(dims.end(), tensor.dims().begin(), tensor.dims().end());
  return compute(Transpose{inverse_of(perm)}, std::array{tensor.reshaped(dims)});
}

// The transpose that sinks through a pointwise node: of several, one that keeps the last axis, which sinks further.
std::optional<Perm> sinking_operand(const Graph& graph, const Node& node, int64_t rank) {
  std::optional<Perm> first;
  for (ValueId input : node.inputs) {
    // The order of one element is no order: through_pointwise leaves it where it is.
    if (input == kAbsent || graph.type(input).rank() != rank || is_one_element(graph.type(input))) continue;
    const std::optional<Perm> perm = sinking(graph, input);
    if (perm && (!first || (keeps_last(*perm) && !keeps_last(*first)))) first = perm;
  }
  return first;
}

// Is `id` transposed for this use alone, and can its transpose change places with `perm`?
bool yields(const Graph& graph, ValueId id, const Perm& perm) {
  const Node* node = graph.producer(id);
  return keeps_last(perm) && node && node->is("transpose") && graph.single_use(id) &&
         graph.type(id).rank() == std::ssize(perm) &&
         !keeps_last(node->op.get_if<Transpose>()->order(std::ssize(perm)));
}

Outcome through_pointwise(Graph& graph, const Match& m, const Node& node) {
  const std::optional<Perm> perm = sinking_operand(graph, node, graph.type(m.root()).rank());
  if (!perm) return Outcome::no();
  for (ValueId input : node.inputs) {
    if (input == kAbsent || is_one_element(graph.type(input))) continue;
    const Value& value = graph.value(input);
    if (value.is_constant() ? value.info.constant.dtype() == DType::string
                            : sinking(graph, input) != perm && !yields(graph, input, *perm)) {
      return "another operand has another order of dimensions";
    }
  }
  std::vector<ValueId> inputs = node.inputs;
  for (ValueId& input : inputs) {
    if (input == kAbsent || is_one_element(graph.type(input))) continue;
    if (graph.value(input).is_constant()) {
      const Tensor constant = graph.value(input).info.constant;
      input = graph.add_constant(graph.value(input).name, transposed_back(constant, *perm));
    } else if (sinking(graph, input) == perm) {
      input = below(graph, input);
    } else {
      Perm other = graph.producer(input)->op.get_if<Transpose>()->order(std::ssize(*perm)), both;
      for (int64_t d : inverse_of(*perm)) both.push_back(other[static_cast<size_t>(d)]);
      input = graph.add1(Transpose{both}, {below(graph, input)});
    }
  }
  return graph.add1(Transpose{*perm}, {graph.add1(node.op, inputs)});
}

Outcome through_reduction(Graph& graph, const Node& node, const Perm& perm) {
  const auto axes = field_of<std::vector<int64_t>>(node.op, "axes");
  const size_t rank = perm.size();
  std::vector<bool> reduced(rank, axes.empty());  // of the result's order
  std::vector<int64_t> mapped;
  for (int64_t axis : axes) {
    reduced[static_cast<size_t>(wrapped(axis, rank))] = true;
    mapped.push_back(perm[static_cast<size_t>(wrapped(axis, rank))]);
  }
  if (axes.empty()) return "it names no axes";
  std::sort(mapped.begin(), mapped.end());
  const bool keeps = field_of<bool>(node.op, "keepdims");
  std::vector<ValueId> inputs = node.inputs;
  inputs[0] = below(graph, inputs[0]);
  const ValueId result = graph.add1(with_field(node.op, "axes", mapped), inputs);
  if (keeps) return graph.add1(Transpose{perm}, {result});
  Perm rest;
  for (size_t d = 0; d < rank; ++d) {
    if (reduced[d]) continue;
    // Where dimension perm[d] stands once the reduced ones are gone.
    rest.push_back(perm[d] - std::count_if(mapped.begin(), mapped.end(), [&](int64_t axis) { return axis < perm[d]; }));
  }
  return graph.add1(Transpose{rest}, {result});
}

Outcome through_concat(Graph& graph, const Node& node, const Perm& perm) {
  std::vector<ValueId> inputs;
  for (ValueId input : node.inputs) {
    if (sinking(graph, input) != perm) return "another part has another order of dimensions";
    inputs.push_back(below(graph, input));
  }
  const int64_t axis = perm[static_cast<size_t>(wrapped(field_of<int64_t>(node.op, "axis"), perm.size()))];
  return graph.add1(Transpose{perm}, {graph.add1(with_field(node.op, "axis", axis), inputs)});
}

Outcome through_split(Graph& graph, const Node& node, const Perm& perm) {
  const int64_t axis = perm[static_cast<size_t>(wrapped(field_of<int64_t>(node.op, "axis"), perm.size()))];
  std::vector<ValueId> inputs = node.inputs;
  inputs[0] = below(graph, inputs[0]);
  const std::vector<ValueId> old = node.outputs;
  const Op op = with_field(node.op, "axis", axis);
  const Result<std::vector<ValueId>> parts = graph.add(op, inputs, static_cast<int>(old.size()));
  CHECK(parts.ok(), "{}", parts.error().message);
  for (size_t i = 0; i < old.size(); ++i) graph.replace_uses(old[i], graph.add1(Transpose{perm}, {(*parts)[i]}));
  return Outcome::in_place();
}

Outcome through_pad(Graph& graph, const Node& node, const Perm& perm) {
  const auto pads = node.inputs.size() > 1 ? graph.value(node.inputs[1]).info.known_elements() : std::nullopt;
  const bool has_axes = node.inputs.size() > 3 && node.inputs[3] != kAbsent;
  const size_t rank = perm.size();
  if (!pads || has_axes || pads->size() != 2 * rank) return "the pads are not known for every dimension";
  std::vector<int64_t> mapped(2 * rank);
  for (size_t d = 0; d < rank; ++d) {
    mapped[static_cast<size_t>(perm[d])] = (*pads)[d];
    mapped[rank + static_cast<size_t>(perm[d])] = (*pads)[rank + d];
  }
  std::vector<ValueId> inputs = node.inputs;
  const Op op = node.op;
  inputs[0] = below(graph, inputs[0]);
  inputs[1] = graph.add_constant(Tensor::of_i64(mapped));
  return graph.add1(Transpose{perm}, {graph.add1(op, inputs)});
}

Outcome through_resize(Graph& graph, const Node& node, const Perm& perm) {
  auto axes = field_of<std::vector<int64_t>>(node.op, "axes");
  if (axes.empty()) {
    axes.resize(perm.size());
    std::iota(axes.begin(), axes.end(), 0);
  }
  for (int64_t& axis : axes) axis = perm[static_cast<size_t>(wrapped(axis, perm.size()))];
  std::vector<ValueId> inputs = node.inputs;
  inputs[0] = below(graph, inputs[0]);
  return graph.add1(Transpose{perm}, {graph.add1(with_field(node.op, "axes", axes), inputs)});
}

Outcome through_quantize(Graph& graph, const Node& node, const Perm& perm) {
  std::vector<ValueId> inputs = node.inputs;
  inputs[0] = below(graph, inputs[0]);
  const Type& scale = graph.type(inputs[1]);
  if (scale.rank() == 0 || is_one_element(scale)) return graph.add1(Transpose{perm}, {graph.add1(node.op, inputs)});
  if (field_of<int64_t>(node.op, "block_size") != 0) return "its scales are one for each block";
  const int64_t axis = perm[static_cast<size_t>(wrapped(field_of<int64_t>(node.op, "axis"), perm.size()))];
  return graph.add1(Transpose{perm}, {graph.add1(with_field(node.op, "axis", axis), inputs)});
}

Outcome move_transpose(Graph& graph, const Match& m, const PassContext&) {
  const Node node = *graph.producer(m.root());  // adding nodes moves the original
  if (!node.op || !node.epilogue.empty() || node.inputs.empty() || node.is("transpose")) return Outcome::no();
  if (is_elementwise(node)) return through_pointwise(graph, m, node);
  const std::optional<Perm> perm = sinking(graph, node.inputs[0]);
  if (!perm) return Outcome::no();
  if (works_on_rows(graph, node)) {
    std::vector<ValueId> inputs = node.inputs;
    inputs[0] = below(graph, inputs[0]);
    return graph.add1(Transpose{*perm}, {graph.add1(node.op, inputs)});
  }
  if (is_channel_norm(node)) {
    std::vector<ValueId> inputs = node.inputs;
    inputs[0] = below(graph, inputs[0]);
    return graph.add1(Transpose{*perm}, {graph.add1(with_field(node.op, "channels_last", true), inputs)});
  }
  if (is_reduction(node)) return through_reduction(graph, node, *perm);
  if (node.is("concat")) return through_concat(graph, node, *perm);
  if (node.is("split")) return through_split(graph, node, *perm);
  if (node.is("resize")) return through_resize(graph, node, *perm);
  if (node.op.name().ends_with("quantize_linear")) return through_quantize(graph, node, *perm);
  if (node.is("pad")) return through_pad(graph, node, *perm);
  const ValueId x = below(graph, node.inputs[0]);
  if (node.is("slice_to")) {
    auto axes = field_of<std::vector<int64_t>>(node.op, "axes");
    for (int64_t& axis : axes) axis = (*perm)[static_cast<size_t>(wrapped(axis, perm->size()))];
    return graph.add1(Transpose{*perm}, {graph.add1(with_field(node.op, "axes", axes), {x})});
  }
  const int64_t axis = (*perm)[static_cast<size_t>(wrapped(field_of<int64_t>(node.op, "axis"), perm->size()))];
  if (axis + 1 != std::ssize(*perm)) return "softmax would run along a strided dimension";
  return graph.add1(Transpose{*perm}, {graph.add1(with_field(node.op, "axis", axis), {x})});
}

}  // namespace

Pass transpose_sink() { return rewrite_pass("transpose_sink", {{"sink", any(), move_transpose}}); }

}  // namespace mj
