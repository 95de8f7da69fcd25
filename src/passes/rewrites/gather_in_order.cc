// SPDX-License-Identifier: Apache-2.0
// gather{axis=0}(x, i)  =>  reshape_to(x)     where i counts the places of x, each once: n * S + s for all n and s
// gather_nd(x, concat(i, j, ...))  =>  reshape_to(x)     where they count them axis by axis: (n, s) for all n and s
// Exporters of attention masks look a mask [N,S] up by such numbers.
#include "base/shape.h"
#include "ops/dim_texts.h"
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

// A tensor whose element at (a, b, ...) is a * stride[0] + b * stride[1] + ...; nothing where it is not known to be.
using Strides = std::vector<Dim>;

std::optional<Strides> strides_of(const Graph& graph, ValueId id);

std::optional<Strides> of_iota(const Node& iota) {
  const Result<Dim> start = Dim::parse(field_of<DimTexts>(iota.op, "start")[0]);
  const Result<Dim> step = Dim::parse(field_of<DimTexts>(iota.op, "step")[0]);
  if (!start.ok() || !step.ok() || equal(*start, Dim(0)) != Tri::yes) return std::nullopt;
  return Strides{*step};
}

// Where it only adds and drops dims of 1.
std::optional<Strides> of_reshape(const Graph& graph, const Node& reshape) {
  const std::optional<Strides> from = strides_of(graph, reshape.inputs[0]);
  if (!from) return std::nullopt;
  const Shape &old_shape = graph.shape(reshape.inputs[0]), &new_shape = graph.shape(reshape.outputs[0]);
  Strides strides;
  size_t at = 0;
  const auto skip_ones = [&] {
    while (at < old_shape.size() && old_shape[at] == Dim(1)) ++at;
  };
  for (const Dim& dim : new_shape) {
    if (dim == Dim(1)) {
      strides.emplace_back(0);
      continue;
    }
    skip_ones();
    if (at == old_shape.size() || old_shape[at] != dim) return std::nullopt;
    strides.push_back((*from)[at++]);
  }
  skip_ones();
  return at == old_shape.size() ? std::optional(strides) : std::nullopt;
}

// Those of a tensor when it is broadcast to this shape.
std::optional<Strides> broadcast(const Graph& graph, ValueId id, const Shape& to) {
  const std::optional<Strides> from = strides_of(graph, id);
  if (!from || from->size() > to.size()) return std::nullopt;
  const Shape& shape = graph.shape(id);
  const size_t front = to.size() - from->size();
  Strides strides(to.size(), Dim(0));
  for (size_t i = 0; i < from->size(); ++i) {
    if (shape[i] == Dim(1)) continue;
    if (shape[i] != to[front + i]) return std::nullopt;
    strides[front + i] = (*from)[i];
  }
  return strides;
}

std::optional<Strides> of_sum(const Graph& graph, const Node& sum) {
  const Shape& shape = graph.shape(sum.outputs[0]);
  Strides strides(shape.size(), Dim(0));
  for (ValueId input : sum.inputs) {
    const std::optional<Strides> part = broadcast(graph, input, shape);
    if (!part) return std::nullopt;
    for (size_t i = 0; i < part->size(); ++i) strides[i] += (*part)[i];
  }
  return strides;
}

std::optional<Strides> of_product(const Graph& graph, const Node& product) {
  for (const size_t factor : {0, 1}) {
    const auto elements = graph.value(product.inputs[factor]).info.elements();
    std::optional<Strides> strides = broadcast(graph, product.inputs[1 - factor], graph.shape(product.outputs[0]));
    if (!elements || elements->size() != 1 || !strides) continue;
    for (Dim& stride : *strides) stride *= elements->front();
    return strides;
  }
  return std::nullopt;
}

std::optional<Strides> strides_of(const Graph& graph, ValueId id) {
  const Node* node = graph.producer(id);
  if (!node || !graph.type(id).shape) return std::nullopt;
  if (node->is("iota")) return of_iota(*node);
  if (node->is("reshape_to") && graph.type(node->inputs[0]).shape) return of_reshape(graph, *node);
  if (node->is("expand_to")) return broadcast(graph, node->inputs[0], graph.shape(id));
  if (node->is("add")) return of_sum(graph, *node);
  if (node->is("mul")) return of_product(graph, *node);
  return std::nullopt;
}

bool counts_all(const Shape& shape, const Strides& strides, const Dim& places) {
  Dim next(1);
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i] == Dim(1)) continue;
    if (equal(strides[i], next) != Tri::yes) return false;
    next *= shape[i];
  }
  return equal(next, places) == Tri::yes;
}

// The places that gather_nd's indices name; `places` becomes how many there are.
std::optional<Strides> of_indices(const Graph& graph, ValueId indices, const Shape& x, Dim& places) {
  const Node* node = graph.producer(indices);
  const bool joined = node && node->is("concat");
  const std::vector<ValueId> parts = joined ? node->inputs : std::vector<ValueId>{indices};
  Shape one_each = graph.shape(indices);
  if (one_each.back() != Dim(static_cast<int64_t>(parts.size())) || parts.size() > x.size()) return std::nullopt;
  if (joined) {
    const auto axis = field_of<int64_t>(node->op, "axis"), rank = static_cast<int64_t>(one_each.size());
    if (axis != -1 && axis != rank - 1) return std::nullopt;
  }
  one_each.back() = Dim(1);
  Strides strides(one_each.size(), Dim(0));
  places = Dim(1);
  for (size_t k = parts.size(); k-- > 0;) {
    const std::optional<Strides> part = broadcast(graph, parts[k], one_each);
    if (!part || !same_shape(graph.shape(parts[k]), one_each)) return std::nullopt;
    for (size_t i = 0; i < strides.size(); ++i) strides[i] += (*part)[i] * places;
    places *= x[k];
  }
  return strides;
}

}  // namespace

Pass gather_in_order() {
  const auto as_it_lies = [](Graph& graph, const Match& m) {
    return graph.add1(op("reshape_to", {{1, "shape", dim_texts(graph.shape(m.root()))}}), {m["x"]});
  };
  const auto gather = [as_it_lies](Graph& graph, const Match& m, const PassContext&) -> Outcome {
    const std::optional<Shape>& x = graph.type(m["x"]).shape;
    const std::optional<Strides> strides = strides_of(graph, m["i"]);
    if (!strides || !x) return Outcome::no();
    if (field_of<int64_t>(graph.producer(m.root())->op, "axis") != 0) return "it gathers along another axis";
    if (!counts_all(graph.shape(m["i"]), *strides, x->front())) return "the indices do not count every place in order";
    return as_it_lies(graph, m);
  };
  const auto gather_nd = [as_it_lies](Graph& graph, const Match& m, const PassContext&) -> Outcome {
    const std::optional<Shape>&x = graph.type(m["x"]).shape, &i = graph.type(m["i"]).shape;
    if (!x || !i || field_of<int64_t>(graph.producer(m.root())->op, "batch_dims") != 0) return Outcome::no();
    Dim places;
    const std::optional<Strides> strides = of_indices(graph, m["i"], *x, places);
    if (!strides) return Outcome::no();
    Shape one_each = *i;
    one_each.back() = Dim(1);
    if (!counts_all(one_each, *strides, places)) return "the indices do not count every place in order";
    return as_it_lies(graph, m);
  };
  return rewrite_pass("gather_in_order", {{"gather", node("gather", {any("x"), any("i")}), gather},
                                          {"gather_nd", node("gather_nd", {any("x"), any("i")}), gather_nd}});
}

}  // namespace mj
