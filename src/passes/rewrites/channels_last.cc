// SPDX-License-Identifier: Apache-2.0
// conv(x, w, b)  =>  transpose(conv{channels_last}(transpose(x), w, b))     and so for every operator with that field
// Convolutions and pools are fastest with a pixel's channels side by side. The transposes cancel between neighbours
// (transpose_sink, transpose_cancel), so that a region has them at its rim alone. Weights keep their order.
#include "ops/transpose.h"
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

Outcome turn(Graph& graph, const Match& m, const PassContext&) {
  const Node node = *graph.producer(m.root());
  if (!node.op || !node.epilogue.empty() || !has_field(node.op, "channels_last")) return Outcome::no();
  // Norms have the field too, and follow what is around them (transpose_sink).
  if (field_of<bool>(node.op, "channels_last") || node.op.name().ends_with("_norm")) return Outcome::no();
  if (node.outputs.size() != 1) return "it has several results";
  const int64_t rank = graph.type(node.inputs[0]).rank();
  if (rank < 3) return "the rank is not known";
  std::vector<int64_t> last{0}, first{0, rank - 1};
  for (int64_t d = 2; d < rank; ++d) last.push_back(d);
  for (int64_t d = 1; d + 1 < rank; ++d) first.push_back(d);
  last.push_back(1);
  std::vector<ValueId> inputs = node.inputs;
  inputs[0] = graph.add1(Transpose{last}, {inputs[0]});
  return graph.add1(Transpose{first}, {graph.add1(with_field(node.op, "channels_last", true), inputs)});
}

}  // namespace

Pass channels_last() { return rewrite_pass("channels_last", {{"turn", any(), turn}}); }

}  // namespace mj
