// SPDX-License-Identifier: Apache-2.0
// gather{axis}(x, i)  =>  reshape_to(slice_to{axis, i, i + 1}(x))     for one constant i: a view of x, or one block
// copied
#include "base/shape.h"
#include "ops/dim_texts.h"
#include "ops/gather.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {

Pass gather_to_slice() {
  const auto apply = [](Graph& graph, const Match& m, const PassContext&) -> Outcome {
    const Type x = graph.type(m["x"]);
    const Shape result = graph.shape(m.root());
    const Tensor& index = m.tensor("i");
    if (!is_integer(index.dtype()) || !x.shape) return Outcome::no();
    const int64_t given = graph.producer(m.root())->op.get_if<Gather>()->axis;
    const int64_t axis = given < 0 ? given + x.rank() : given, i = index.to_i64()[0];
    const std::optional<int64_t> length = (*x.shape)[static_cast<size_t>(axis)].constant();
    // What lies outside is an error for gather, and nothing for slice.
    if (!length || i < -*length || i >= *length) return "the index may lie outside";
    const int64_t at = i < 0 ? i + *length : i;
    const Op cut = op("slice_to", {{1, "axes", std::vector<int64_t>{axis}},
                                   {2, "starts", dim_texts({Dim(at)})},
                                   {3, "ends", dim_texts({Dim(at + 1)})},
                                   {4, "steps", std::vector<int64_t>{1}}});
    return graph.add1(op("reshape_to", {{1, "shape", dim_texts(result)}}), {graph.add1(cut, {m["x"]})});
  };
  return rewrite_pass("gather_to_slice", {{"gather", node("gather", {any("x"), scalar("i")}), apply}});
}

}  // namespace mj
