// SPDX-License-Identifier: Apache-2.0
// x / c  =>  x * (1 / c)     for a constant c whose elements are powers of two: exact, so no rounding changes
#include <cmath>

#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

// Is 1/x exact, and neither it nor x a denormal?
bool has_exact_inverse(double x) {
  int exponent = 0;
  return std::isfinite(x) && std::abs(std::frexp(x, &exponent)) == 0.5 && std::abs(exponent) < 126;
}

}  // namespace

Pass div_constant() {
  const auto apply = [](Graph& graph, const Match& m, const PassContext&) -> Outcome {
    const Tensor& c = m.tensor("c");
    if (c.dtype() != DType::f32 && c.dtype() != DType::f64) return Outcome::no();
    for (double x : c.to_f64()) {
      if (!has_exact_inverse(x)) return Outcome::no();
    }
    const ValueId inverse = graph.add_constant(compute("reciprocal", {c}));
    return graph.add1(op("mul"), {m["x"], inverse});
  };
  return rewrite_pass("div_constant", {{"div", node("div", {any("x"), constant("c")}), apply}});
}

}  // namespace mj
