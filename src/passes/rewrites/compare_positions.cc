// SPDX-License-Identifier: Apache-2.0
// iota{start, step} >= c  =>  true     where start >= c and step >= 0, over reshapes of the iota
// Exporters of attention masks compare positions with 0.
#include "base/shape.h"
#include "ops/dim_texts.h"
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

const Node* iota_below(const Graph& graph, ValueId id) {
  const Node* node = graph.producer(id);
  while (node && node->is("reshape_to")) node = graph.producer(node->inputs[0]);
  return node && node->is("iota") ? node : nullptr;
}

bool at_least(const Node& iota, std::string_view field, double bound) {
  const Result<Dim> dim = Dim::parse(field_of<DimTexts>(iota.op, field)[0]);
  return dim.ok() && less_equal(Dim(static_cast<int64_t>(bound)), *dim) == Tri::yes;
}

}  // namespace

Pass compare_positions() {
  const auto apply = [](Graph& graph, const Match& m, const PassContext&) -> Outcome {
    const Node* iota = iota_below(graph, m["x"]);
    const double c = *scalar_value(m.tensor("c"));
    if (!iota || !at_least(*iota, "start", c) || !at_least(*iota, "step", 0)) return Outcome::no();
    const DimTexts shape = dim_texts(graph.shape(m.root()));
    return graph.add1(op("expand_to", {{1, "shape", shape}}), {graph.add_constant(Tensor::scalar(true))});
  };
  return rewrite_pass("compare_positions", {{"greater_equal", node("greater_equal", {any("x"), scalar("c")}), apply}});
}

}  // namespace mj
