// SPDX-License-Identifier: Apache-2.0
// reshape_to(transpose{p}(reshape_to(x)))  =>  reshape_to(transpose{p'}(reshape_to'(x)))
//
// where dims that stay neighbours are one, and dims of 1 are left out: reshapes between whole dims meet and cancel, and
// transposes of rows are seen to be such.
#include <algorithm>

#include "ops/dim_texts.h"
#include "ops/transpose.h"
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

Outcome merge_dims(Graph& graph, const Match& m, const PassContext&) {
  const Op outer = graph.producer(m.root())->op;
  const Node transpose = m.node("transpose");
  const Shape shape = graph.shape(transpose.inputs[0]);
  std::vector<std::vector<int64_t>> runs;  // of the dims of `shape`, as the transpose puts them
  int64_t last = -1;
  const auto next_kept = [&](int64_t d) {
    for (++d; d < std::ssize(shape) && shape[static_cast<size_t>(d)] == Dim(1);) ++d;
    return d;
  };
  for (int64_t d : transpose.op.get_if<Transpose>()->order(std::ssize(shape))) {
    if (shape[static_cast<size_t>(d)] == Dim(1)) continue;
    if (runs.empty() || next_kept(last) != d) runs.emplace_back();
    runs.back().push_back(d);
    last = d;
  }
  if (runs.size() == shape.size() || runs.empty()) return Outcome::no();
  std::vector<std::vector<int64_t>> below = runs;
  std::sort(below.begin(), below.end());
  Shape merged;
  for (const std::vector<int64_t>& run : below) {
    merged.emplace_back(1);
    for (int64_t d : run) merged.back() *= shape[static_cast<size_t>(d)];
  }
  std::vector<int64_t> perm;
  for (const std::vector<int64_t>& run : runs)
    perm.push_back(std::find(below.begin(), below.end(), run) - below.begin());
  const ValueId flat = graph.add1(op("reshape_to", {{1, "shape", dim_texts(merged)}}), {m["x"]});
  return graph.add1(outer, {graph.add1(Transpose{perm}, {flat})});
}

}  // namespace

Pass merge_transposed_dims() {
  const Pattern inner = node("transpose", {node("reshape_to", {any("x")})}).as("transpose").once();
  return rewrite_pass("merge_transposed_dims", {{"merge", node("reshape_to", {inner}), merge_dims}});
}

}  // namespace mj
