// SPDX-License-Identifier: Apache-2.0
// transpose{q}(reshape_to(transpose{p}(x)))  =>  reshape_to(transpose{r}(reshape_to(x)))     or a reshape_to alone
//
// and so for any movement (movement.h) with several transposes whose values nobody else needs: it takes one at most.
#include "ops/transpose.h"
#include "passes/edit.h"
#include "passes/movement.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

// How many transposes stand between the value and `source`; nothing where a value on the way is used elsewhere too.
std::optional<int> transposes_down_from(const Graph& graph, ValueId source, ValueId id) {
  int count = 0;
  for (ValueId at = id; at != source;) {
    const Node* node = graph.producer(at);
    if (at != id && (!graph.single_use(at) || node->outputs.size() != 1)) return std::nullopt;
    count += node->is("transpose");
    at = node->inputs[0];
  }
  return count;
}

Outcome compose(Graph& graph, const Match& m, const PassContext&) {
  if (!graph.type(m.root()).shape) return Outcome::no();
  const Movement moved = movement_of(graph, m.root());
  if (moved.scale != 1) return Outcome::no();
  const std::optional<int> before = transposes_down_from(graph, moved.source, m.root());
  if (!before) return "a value between its transposes is used elsewhere too";
  if (*before < 2) return Outcome::no();
  return place(graph, moved, moved.dims);
}

}  // namespace

Pass compose_transposes() { return rewrite_pass("compose_transposes", {{"compose", node("transpose"), compose}}); }

}  // namespace mj
