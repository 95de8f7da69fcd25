// SPDX-License-Identifier: Apache-2.0
#include "passes/movement.h"

#include <algorithm>

#include "ops/dim_texts.h"
#include "ops/transpose.h"
#include "passes/edit.h"
#include "passes/pattern.h"

namespace mj {
namespace {

// a / b where that is exact for certain.
std::optional<Dim> quotient(const Dim& a, const Dim& b) {
  if (b == Dim(0) || b == Dim(1)) return std::nullopt;
  const Dim q = floor_div(a, b);
  return q.valid() && equal(q * b, a) == Tri::yes ? std::optional(q) : std::nullopt;
}

// Walks upwards; `groups` are the factors of each dim of the source.
class Walk {
 public:
  Walk(const Graph& graph, ValueId value, Expansions expansions) : graph_(graph), expansions_(expansions) {
    m.source = value;
    for (const Dim& dim : graph.shape(value)) {
      m.dims.emplace_back();
      if (dim == Dim(1)) continue;
      m.dims.back().push_back(add(dim, std::nullopt));
    }
    groups_ = m.dims;
    m.order = joined(groups_);
  }

  bool step() {
    const Node* node = graph_.producer(m.source);
    if (!node || !node->op || !node->epilogue.empty() || node->inputs.empty() || node->inputs[0] == kAbsent ||
        !graph_.type(node->inputs[0]).shape) {
      return false;
    }
    if (const auto product = scalar_product(graph_, *node)) {
      if (!graph_.type(product->first).shape) return false;
      m.source = product->first;
      m.scale *= product->second;
      return true;
    }
    if (const Transpose* transpose = node->op.get_if<Transpose>()) {
      const std::vector<int64_t> perm = transpose->order(std::ssize(groups_));
      std::vector<Factors> below(groups_.size());
      for (size_t d = 0; d < perm.size(); ++d) below[static_cast<size_t>(perm[d])] = groups_[d];
      return up(node->inputs[0], std::move(below));
    }
    if (node->is("reshape_to") || node->is("reshape")) return regroup(node->inputs[0]);
    if (node->is("slice_to")) return through_slice(*node);
    if (node->is("split")) return through_split(*node);
    if (node->is("expand_to") && expansions_ == Expansions::pass) return through_expand(node->inputs[0]);
    return false;
  }

  Movement m;

 private:
  static Factors joined(const std::vector<Factors>& groups) {
    Factors all;
    for (const Factors& group : groups) all.insert(all.end(), group.begin(), group.end());
    return all;
  }

  int add(Dim size, std::optional<int64_t> fixed) {
    m.sizes.push_back(std::move(size));
    m.fixed.push_back(fixed);
    return static_cast<int>(m.sizes.size()) - 1;
  }

  bool up(ValueId source, std::vector<Factors> groups) {
    m.source = source;
    groups_ = std::move(groups);
    m.order = joined(groups_);
    return true;
  }

  // The same elements with the dims of `source`, where these are products of factors or of parts of them.
  bool regroup(ValueId source) {
    const Movement before = m;
    std::vector<Factors> groups;
    size_t at = 0;  // in m.order
    for (const Dim& dim : graph_.shape(source)) {
      groups.emplace_back();
      for (Dim rest = dim; !(rest == Dim(1));) {
        const std::optional<Dim> left = at < m.order.size() ? take(at, rest) : std::nullopt;
        if (!left) {
          m = before;
          return false;
        }
        groups.back().push_back(m.order[at++]);
        rest = *left;
      }
    }
    if (at == m.order.size()) return up(source, std::move(groups));
    m = before;
    return false;
  }

  // Makes factor `at` of the order one of `rest`, splitting it where it is larger: what is left of `rest` then.
  std::optional<Dim> take(size_t at, const Dim& rest) {
    const int factor = m.order[at];
    const Dim size = m.sizes[static_cast<size_t>(factor)];
    if (equal(size, rest) == Tri::yes) return Dim(1);
    if (std::optional<Dim> left = quotient(rest, size)) return left;
    const std::optional<Dim> inner = quotient(size, rest);
    const std::optional<int64_t> fixed = m.fixed[static_cast<size_t>(factor)];
    if (!inner || (fixed && !inner->constant())) return std::nullopt;
    const int second = add(*inner, fixed ? std::optional(*fixed % *inner->constant()) : std::nullopt);
    m.sizes[static_cast<size_t>(factor)] = rest;
    if (fixed) m.fixed[static_cast<size_t>(factor)] = *fixed / *inner->constant();
    const auto follow = [&](Factors& factors) {
      const auto found = std::find(factors.begin(), factors.end(), factor);
      if (found != factors.end()) factors.insert(found + 1, second);
    };
    follow(m.order);
    for (Factors& dim : m.dims) follow(dim);
    return Dim(1);
  }

  // A cut [start, start + width) of an axis is one index of length / width, where these divide.
  bool cut(const Node& node, int64_t given_axis, int64_t start, const Dim& width) {
    const Shape& below = graph_.shape(node.inputs[0]);
    const auto axis = static_cast<size_t>(given_axis < 0 ? given_axis + std::ssize(below) : given_axis);
    const std::optional<int64_t> length = below[axis].constant(), w = width.constant();
    if (!length || !w || *w < 1 || *length % *w != 0 || start < 0 || start % *w != 0) return false;
    std::vector<Factors> groups = groups_;
    if (*w != *length) groups[axis].insert(groups[axis].begin(), add(Dim(*length / *w), start / *w));
    return up(node.inputs[0], std::move(groups));
  }

  bool through_slice(const Node& node) {
    const auto axes = field_of<std::vector<int64_t>>(node.op, "axes"),
               steps = field_of<std::vector<int64_t>>(node.op, "steps");
    if (axes.size() != 1 || (!steps.empty() && steps[0] != 1)) return false;
    const Result<Dim> start = Dim::parse(field_of<DimTexts>(node.op, "starts")[0]);
    if (!start.ok() || !start->constant()) return false;
    const auto axis = static_cast<size_t>(axes[0] < 0 ? axes[0] + std::ssize(groups_) : axes[0]);
    return cut(node, axes[0], *start->constant(), graph_.shape(m.source)[axis]);
  }

  bool through_split(const Node& node) {
    const auto given = field_of<int64_t>(node.op, "axis");
    const auto axis = static_cast<size_t>(given < 0 ? given + std::ssize(groups_) : given);
    int64_t start = 0;
    for (ValueId output : node.outputs) {
      if (output == m.source) break;
      const std::optional<int64_t> length = graph_.shape(output)[axis].constant();
      if (!length) return false;
      start += *length;
    }
    return cut(node, given, start, graph_.shape(m.source)[axis]);
  }

  // Dims of 1 that became longer hold nothing of the source; new dims stand in front.
  bool through_expand(ValueId source) {
    const Shape &below = graph_.shape(source), &above = graph_.shape(m.source);
    if (below.size() > above.size()) return false;
    const size_t extra = above.size() - below.size();
    std::vector<Factors> groups(groups_.begin() + static_cast<std::ptrdiff_t>(extra), groups_.end());
    for (size_t d = 0; d < below.size(); ++d) {
      if (equal(below[d], above[d + extra]) == Tri::yes) continue;
      if (!(below[d] == Dim(1))) return false;
      groups[d].clear();
    }
    return up(source, std::move(groups));
  }

  const Graph& graph_;
  const Expansions expansions_;
  std::vector<Factors> groups_;
};

Dim product(const Movement& m, const Factors& factors) {
  Dim all = 1;
  for (int factor : factors) all *= m.sizes[static_cast<size_t>(factor)];
  return all;
}

Factors kept(const Movement& m) {
  Factors all;
  for (int factor : m.order) {
    if (!m.fixed[static_cast<size_t>(factor)]) all.push_back(factor);
  }
  return all;
}

ValueId reshaped(Graph& graph, ValueId x, const Shape& shape) {
  if (same_shape(graph.shape(x), shape)) return x;
  return graph.add1(op("reshape_to", {{1, "shape", dim_texts(shape)}}), {x});
}

// The source with its fixed factors cut to 1.
ValueId sliced(Graph& graph, const Movement& m) {
  Shape shape;
  std::vector<int64_t> axes;
  Shape starts, ends;
  for (int factor : m.order) {
    if (const std::optional<int64_t> index = m.fixed[static_cast<size_t>(factor)]) {
      axes.push_back(std::ssize(shape));
      starts.emplace_back(*index);
      ends.emplace_back(*index + 1);
    }
    shape.push_back(m.sizes[static_cast<size_t>(factor)]);
  }
  if (axes.empty()) return m.source;
  const std::vector<int64_t> steps(axes.size(), 1);
  return graph.add1(
      op("slice_to",
         {{1, "axes", axes}, {2, "starts", dim_texts(starts)}, {3, "ends", dim_texts(ends)}, {4, "steps", steps}}),
      {reshaped(graph, m.source, shape)});
}

}  // namespace

Movement movement_of(const Graph& graph, ValueId value, Expansions expansions) {
  Walk walk(graph, value, expansions);
  while (walk.step()) {
  }
  return walk.m;
}

bool is_repeated(const Movement& m, int factor) {
  return std::find(m.order.begin(), m.order.end(), factor) == m.order.end();
}

Factors joined(std::initializer_list<Factors> parts) {
  Factors all;
  for (const Factors& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

bool in_order(const Movement& m, const std::vector<Factors>& dims) {
  Factors want;
  for (const Factors& dim : dims) want.insert(want.end(), dim.begin(), dim.end());
  return want == kept(m);
}

ValueId place(Graph& graph, const Movement& m, const std::vector<Factors>& dims) {
  const Factors have = kept(m);
  Factors want;
  Shape shape;
  for (const Factors& dim : dims) {
    want.insert(want.end(), dim.begin(), dim.end());
    shape.push_back(product(m, dim));
  }
  CHECK(want.size() == have.size(), "a movement's factors are not all placed");
  ValueId x = sliced(graph, m);
  if (want == have) return reshaped(graph, x, shape);

  // Factors that stay neighbours move as one.
  const auto position = [&](int factor) { return std::find(have.begin(), have.end(), factor) - have.begin(); };
  std::vector<Factors> runs;
  for (int factor : want) {
    if (runs.empty() || position(runs.back().back()) + 1 != position(factor)) runs.emplace_back();
    runs.back().push_back(factor);
  }
  std::vector<Factors> source_runs = runs;
  std::sort(source_runs.begin(), source_runs.end(),
            [&](const Factors& a, const Factors& b) { return position(a[0]) < position(b[0]); });
  Shape below;
  for (const Factors& run : source_runs) below.push_back(product(m, run));
  std::vector<int64_t> perm;
  for (const Factors& run : runs)
    perm.push_back(std::find(source_runs.begin(), source_runs.end(), run) - source_runs.begin());
  return reshaped(graph, graph.add1(Transpose{perm}, {reshaped(graph, x, below)}), shape);
}

std::optional<std::pair<ValueId, double>> scalar_product(const Graph& graph, const Node& node) {
  if (!node.is("mul") && !node.is("div")) return std::nullopt;
  for (size_t i : {size_t{0}, size_t{1}}) {
    const Value& factor = graph.value(node.inputs[1 - i]);
    if (!factor.is_constant() || (node.is("div") && i == 1)) continue;
    const std::optional<double> value = scalar_value(factor.info.constant);
    if (!value || graph.type(node.outputs[0]).rank() != graph.type(node.inputs[i]).rank()) continue;
    return std::pair(node.inputs[i], node.is("div") ? 1 / *value : *value);
  }
  return std::nullopt;
}

}  // namespace mj
