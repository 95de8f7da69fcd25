// SPDX-License-Identifier: Apache-2.0
// transpose{p}(x)  =>  reshape_to(x)     where p moves dims of 1 alone
//
// A reshape is a view, a transpose a copy. It comes when transposes have met and cancelled: views do not.
#include "ops/dim_texts.h"
#include "ops/transpose.h"
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

Outcome view(Graph& graph, const Match& m, const PassContext&) {
  if (!graph.type(m["x"]).shape) return Outcome::no();
  const Shape& shape = m.shape("x");
  int64_t last = -1;
  for (int64_t d : graph.producer(m.root())->op.get_if<Transpose>()->order(std::ssize(shape))) {
    if (shape[static_cast<size_t>(d)] == Dim(1)) continue;
    if (d < last) return Outcome::no();
    last = d;
  }
  return graph.add1(op("reshape_to", {{1, "shape", dim_texts(graph.shape(m.root()))}}), {m["x"]});
}

}  // namespace

Pass transpose_to_reshape() {
  return rewrite_pass("transpose_to_reshape", {{"view", node("transpose", {any("x")}), view}});
}

}  // namespace mj
