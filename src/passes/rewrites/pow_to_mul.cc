// SPDX-License-Identifier: Apache-2.0
// x ^ 2    =>  x * x
// x ^ 0.5  =>  sqrt(x)     rounded once where pow rounds twice; -inf and -0 give NaN and -0 instead of inf and 0
// x ^ 1    =>  x
// x ^ -1   =>  1 / x
// for floats, where the exponent does not make the result larger
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {

Pass pow_to_mul() {
  const auto apply = [](Graph& graph, const Match& m, const PassContext&) -> Outcome {
    const ValueId x = m["x"];
    const Type &from = graph.type(x), &to = graph.type(m.root());
    if (!is_float(from.dtype) || !from.shape || !to.shape || !same_shape(*from.shape, *to.shape)) return Outcome::no();
    const double exponent = *scalar_value(m.tensor("e"));
    if (exponent == 2) return graph.add1(op("mul"), {x, x});
    if (exponent == 0.5) return graph.add1(op("sqrt"), {x});
    if (exponent == 1) return x;
    if (exponent == -1) return graph.add1(op("reciprocal"), {x});
    return Outcome::no();
  };
  return rewrite_pass("pow_to_mul", {{"pow", node("pow", {any("x"), scalar("e")}), apply}});
}

}  // namespace mj
