// SPDX-License-Identifier: Apache-2.0
// x * sigmoid(x)                                 =>  silu(x)
// x * (erf(x / sqrt(2)) + 1) * 0.5               =>  gelu(x)           in any order of the factors
// x * (tanh(sqrt(2/pi) * (x + 0.044715 x^3)) + 1) * 0.5  =>  gelu{approximate="tanh"}(x)
// x * clip(x + 3, 0, 6) / 6                      =>  hard_swish(x)     also with a product by 1/6
// clip(x + 3, 0, 6) / 6                          =>  hard_sigmoid{alpha=1/6, beta=0.5}(x)
// x * hard_sigmoid{alpha=1/6, beta=0.5}(x)       =>  hard_swish(x)
//
// Each rounds once where the spelled form rounds several times. What takes an exponential is used nowhere else: it
// would be computed twice.
#include <cmath>
#include <numbers>

#include "ops/clip.h"
#include "ops/gelu.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

Outcome as(Graph& graph, const Match& m, Op op) {
  const ValueId x = m["x"];
  if (!is_float(graph.type(x).dtype)) return "it is not floating point";
  // Constants of one element may have any rank.
  if (graph.type(x).rank() != graph.type(m.root()).rank()) return "its constants make the result larger";
  return graph.add1(std::move(op), {x});
}

Pattern erf_term() {
  const Pattern scaled = either(
      {node("div", {any("x"), scalar(std::numbers::sqrt2)}), node("mul", {any("x"), scalar(1 / std::numbers::sqrt2)})});
  return node("add", {node("erf", {scaled}).once(), scalar(1)});
}

Pattern tanh_term() {
  const Pattern cube =
      either({node("pow", {any("x"), scalar(3)}), node("mul", {any("x"), node("mul", {any("x"), any("x")})})});
  const Pattern inner = node("add", {any("x"), node("mul", {cube, scalar(0.044715)})});
  return node("add", {node("tanh", {node("mul", {inner, scalar(std::sqrt(2 / std::numbers::pi))})}).once(), scalar(1)});
}

// 0.5 * x * term, however it is bracketed.
Pattern half_product(const Pattern& term) {
  return either({node("mul", {node("mul", {any("x"), term}), scalar(0.5)}),
                 node("mul", {node("mul", {any("x"), scalar(0.5)}), term}),
                 node("mul", {any("x"), node("mul", {term, scalar(0.5)})})});
}

Pattern shifted_clip() { return node("clip", {node("add", {any("x"), scalar(3)})}); }

}  // namespace

Pass recognize_activations() {
  const auto make = [](Op op) {
    return [op](Graph& graph, const Match& m, const PassContext&) { return as(graph, m, op); };
  };
  const auto six = [](const Pattern& p) {
    return either({node("div", {p, scalar(6)}), node("mul", {p, scalar(1.0 / 6)})});
  };
  // The clip's bounds are fields, which patterns do not see.
  const auto clipped = [](Op op) {
    return [op](Graph& graph, const Match& m, const PassContext&) -> Outcome {
      const Clip* clip = m.node("clip").op.get_if<Clip>();
      if (!clip || clip->min != 0 || clip->max != 6) return "the clip is not from 0 to 6";
      return as(graph, m, op);
    };
  };
  const Pattern clip = shifted_clip().as("clip");
  const Op hard_sigmoid = op("hard_sigmoid", {{0, "alpha", 1.0f / 6}, {0, "beta", 0.5f}});
  return rewrite_pass("recognize_activations",
                      {{"silu", node("mul", {any("x"), node("sigmoid", {any("x")}).once()}), make(op("silu"))},
                       {"gelu", half_product(erf_term()), make(Gelu{})},
                       {"gelu_tanh", half_product(tanh_term()), make(Gelu{"tanh"})},
                       {"hard_swish", six(node("mul", {any("x"), clip})), clipped(op("hard_swish"))},
                       {"hard_swish_inner", node("mul", {any("x"), six(clip)}), clipped(op("hard_swish"))},
                       {"hard_sigmoid", six(clip), clipped(hard_sigmoid)},
                       {"hard_swish_of_sigmoid", node("mul", {any("x"), node("hard_sigmoid", {any("x")}).as("s")}),
                        [hard_sigmoid](Graph& graph, const Match& m, const PassContext&) -> Outcome {
                          if (!(m.node("s").op == hard_sigmoid)) return "the hard_sigmoid is not x / 6 + 0.5";
                          return as(graph, m, op("hard_swish"));
                        }}});
}

}  // namespace mj
