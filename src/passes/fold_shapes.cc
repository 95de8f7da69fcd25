// SPDX-License-Identifier: Apache-2.0
// Run-time arithmetic on shapes  =>  sizes as fields, texts of Dims (ops/dim_texts.h)
//
//   reshape(x, s), squeeze(x), unsqueeze(x)  =>  reshape_to{shape}(x)
//   expand(x, s)                             =>  expand_to{shape}(x)
//   constant_of_shape{v}(s)                  =>  expand_to{shape}(v)
//   slice(x, starts, ends, axes?, steps?)    =>  slice_to{axes, starts, ends, steps}(x)
//   range(a, b, d)                           =>  iota{a, d, count}()
//   any other small integers, known as symbols  =>  dims{values}()
// where what the sizes are made of is bound before the node runs. The chains that computed them die.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/shape.h"
#include "ops/constant_of_shape.h"
#include "ops/dim_texts.h"
#include "passes/edit.h"
#include "passes/passes.h"

namespace mj {
namespace {

using Symbols = std::set<std::string>;

void add_symbols(const Type& type, Symbols& symbols) {
  if (!type.shape || !type.is_tensor()) return;
  for (const Dim& dim : *type.shape) symbols.merge(dim.symbols());
}

bool bound(const Shape& dims, const Symbols& symbols) {
  return std::all_of(dims.begin(), dims.end(), [&](const Dim& dim) {
    const Symbols used = dim.symbols();
    return dim.valid() && std::includes(symbols.begin(), symbols.end(), used.begin(), used.end());
  });
}

class FoldShapes {
 public:
  FoldShapes(Graph& graph, const PassContext& context) : graph_(graph), context_(context) {
    for (ValueId id : graph.inputs) add_symbols(graph.type(id), input_symbols_);
  }

  bool run() {
    bool changed = false;
    for (NodeId id : graph_.order()) {
      const Node& node = graph_.node(id);
      if (node.erased || !node.op || !node.epilogue.empty() || is_dead(graph_, id)) continue;
      if (!materialise(id)) {
        const std::optional<Op> op = with_sizes(node);
        if (!op) continue;
        replace(id, *op, op->is("iota") ? std::vector<ValueId>{} : data_inputs(node));
      }
      changed = true;
      erase_dead(graph_, id);
    }
    return changed;
  }

 private:
  // Symbols that have their value by the time the node runs.
  Symbols known_to(const Node& node) const {
    Symbols symbols = input_symbols_;
    for (ValueId id : node.inputs) {
      if (id != kAbsent) add_symbols(graph_.type(id), symbols);
    }
    return symbols;
  }

  std::optional<std::vector<Dim>> elements(const Node& node, size_t i) const {
    if (i >= node.inputs.size() || node.inputs[i] == kAbsent) return std::nullopt;
    return graph_.value(node.inputs[i]).info.elements();
  }

  std::vector<ValueId> data_inputs(const Node& node) {
    if (const ConstantOfShape* fill = node.op.get_if<ConstantOfShape>()) {
      return {graph_.add_constant(fill->value.reshaped({}))};
    }
    return {node.inputs[0]};
  }

  // The operator with fields for inputs, if every size is known as text and bound in time.
  std::optional<Op> with_sizes(const Node& node) const {
    const Type& type = graph_.type(node.outputs[0]);
    if (!type.shape || type.dtype == DType::string || type.kind != Type::Kind::tensor) return std::nullopt;
    const std::string_view name = node.op.name();
    const bool by_axes = name == "squeeze" || name == "unsqueeze";
    const bool by_input = name == "reshape" || name == "expand";
    const bool filled = name == "constant_of_shape";
    if ((by_axes || (by_input && elements(node, 1)) || (filled && elements(node, 0)))) {
      if (!bound(*type.shape, known_to(node))) return not_bound(node);
      const bool reshapes = by_axes || name == "reshape";
      return op(reshapes ? "reshape_to" : "expand_to", {{1, "shape", dim_texts(*type.shape)}});
    }
    if (name == "slice") return slice(node);
    if (name == "range") return iota(node, type);
    return std::nullopt;
  }

  std::optional<Op> not_bound(const Node& node) const {
    context_.why_not(graph_, node, "a size is only known once it has run");
    return std::nullopt;
  }

  std::optional<Op> slice(const Node& node) const {
    const auto starts = elements(node, 1), ends = elements(node, 2);
    if (!starts || !ends) return std::nullopt;
    std::vector<int64_t> axes, steps(starts->size(), 1);
    for (size_t d = 0; d < starts->size(); ++d) axes.push_back(static_cast<int64_t>(d));
    if (const auto given = elements(node, 3)) {
      for (size_t d = 0; d < given->size() && d < axes.size(); ++d) axes[d] = (*given)[d].constant().value_or(0);
    }
    if (const auto given = elements(node, 4)) {
      for (size_t d = 0; d < given->size() && d < steps.size(); ++d) steps[d] = (*given)[d].constant().value_or(1);
    }
    const Symbols known = known_to(node);
    // A length that the shape rule could not tell stays a symbol that running binds: the slice must stay as it is.
    if (!bound(*starts, known) || !bound(*ends, known) || !bound(graph_.shape(node.outputs[0]), known)) {
      return not_bound(node);
    }
    return op(
        "slice_to",
        {{1, "axes", axes}, {2, "starts", dim_texts(*starts)}, {3, "ends", dim_texts(*ends)}, {4, "steps", steps}});
  }

  std::optional<Op> iota(const Node& node, const Type& type) const {
    const auto start = elements(node, 0), step = elements(node, 2);
    const Symbols known = known_to(node);
    if (type.dtype != DType::i64 || !start || !step) return std::nullopt;
    if (!bound(*start, known) || !bound(*step, known) || !bound(*type.shape, known)) return not_bound(node);
    return op("iota",
              {{1, "start", dim_texts(*start)}, {2, "step", dim_texts(*step)}, {3, "count", dim_texts(*type.shape)}});
  }

  void replace(NodeId id, Op op, std::vector<ValueId> inputs) {
    const ValueId old = graph_.node(id).outputs[0];
    const ValueId now = graph_.add1(std::move(op), std::move(inputs), graph_.node(id).origin);
    graph_.replace_uses(old, now);
  }

  // Contents that symbols describe become dims, whatever computed them.
  bool materialise(NodeId id) {
    const Node& node = graph_.node(id);
    if (node.op.is("dims") || node.outputs.size() != 1) return false;
    const ValueInfo& info = graph_.value(node.outputs[0]).info;
    if (!info.contents || !is_integer(info.type.dtype) || info.type.rank() < 0 || info.type.rank() > 1) return false;
    if (!bound(*info.contents, input_symbols_)) return false;
    const Op dims = op(
        "dims",
        {{1, "values", dim_texts(*info.contents)}, {2, "scalar", info.type.rank() == 0}, {3, "to", info.type.dtype}});
    replace(id, dims, {});
    return true;
  }

  Graph& graph_;
  const PassContext& context_;
  Symbols input_symbols_;
};

}  // namespace

Pass fold_shapes() {
  return {"fold_shapes",
          [](Graph& graph, const PassContext& context) -> Result<bool> { return FoldShapes(graph, context).run(); }};
}

}  // namespace mj
