// SPDX-License-Identifier: Apache-2.0
// transpose{q}(transpose{p}(x))    =>  transpose{p[q]}(x)     and eliminate_identity removes what moves nothing
#include "ops/transpose.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {

Pass transpose_cancel() {
  const auto apply = [](Graph& graph, const Match& m, const PassContext&) -> Outcome {
    const int64_t rank = graph.type(m["x"]).rank();
    const std::vector<int64_t> p = m.node("inner").op.get_if<Transpose>()->order(rank);
    std::vector<int64_t> perm;
    bool moves = false;
    for (int64_t d : graph.producer(m.root())->op.get_if<Transpose>()->order(rank)) {
      moves |= p[static_cast<size_t>(d)] != static_cast<int64_t>(perm.size());
      perm.push_back(p[static_cast<size_t>(d)]);
    }
    if (!moves) return m["x"];
    return graph.add1(Transpose{std::move(perm)}, {m["x"]});
  };
  return rewrite_pass("transpose_cancel",
                      {{"transpose", node("transpose", {node("transpose", {any("x")}).as("inner")}), apply}});
}

}  // namespace mj
