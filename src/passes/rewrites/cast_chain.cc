// SPDX-License-Identifier: Apache-2.0
// cast{b}(cast{a}(x))  =>  cast{b}(x)     where type a holds every value of x's type
#include "ops/cast.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

// Bits of whole numbers that a type holds exactly, with its sign; for integers and booleans.
int value_bits(DType dtype) {
  if (dtype == DType::boolean) return 1;
  const int n = static_cast<int>(bits(dtype));
  return is_signed(dtype) ? n - 1 : n;
}

bool holds(DType wide, DType narrow) {
  if (wide == narrow) return true;
  if (wide == DType::boolean) return false;
  if (is_integer(narrow) || narrow == DType::boolean) {
    const bool sign_fits = !(is_signed(narrow) && narrow != DType::boolean) || is_signed(wide);
    if (is_integer(wide)) return sign_fits && value_bits(narrow) <= value_bits(wide);
    const int mantissa = wide == DType::f64      ? 53
                         : wide == DType::f32    ? 24
                         : wide == DType::f16    ? 11
                         : wide == DType::f4e2m1 ? 2
                         : wide == DType::f8e8m0 ? 0
                                                 : 3;
    return value_bits(narrow) <= mantissa;
  }
  if (wide == DType::f64) return true;
  return wide == DType::f32 && narrow != DType::f64;
}

}  // namespace

Pass cast_chain() {
  const auto apply = [](Graph& graph, const Match& m, const PassContext&) -> Outcome {
    const DType middle = graph.type(m["inner"]).dtype, from = graph.type(m["x"]).dtype;
    if (from == DType::string || middle == DType::string) return Outcome::no();
    if (!holds(middle, from)) return "the inner cast loses values";
    return graph.add1(graph.producer(m.root())->op.as<Cast>(), {m["x"]});
  };
  return rewrite_pass("cast_chain", {{"cast", node("cast", {node("cast", {any("x")}).as("inner")}), apply}});
}

}  // namespace mj
