// SPDX-License-Identifier: Apache-2.0
// x * sigmoid(x)                                 =>  silu(x)
// x / (1 + exp(-x))                              =>  silu(x);  1 / (1 + exp(-x))  =>  sigmoid(x)
// x * tanh(softplus(x))                          =>  mish(x)
// x * (erf(x / sqrt(2)) + 1) * 0.5               =>  gelu(x)           in any order of the factors
// x * (tanh(sqrt(2/pi) * (x + 0.044715 x^3)) + 1) * 0.5  =>  gelu{approximate="tanh"}(x)     and any other spelling
//                                                    of that polynomial
// x * clip(x + 3, 0, 6) / 6                      =>  hard_swish(x)     also with a product by 1/6
// clip(x + 3, 0, 6) / 6                          =>  hard_sigmoid{alpha=1/6, beta=0.5}(x)
// x * hard_sigmoid{alpha=1/6, beta=0.5}(x)       =>  hard_swish(x)
//
// Each rounds once where the spelled form rounds several times. What takes an exponential is used nowhere else: it
// would be computed twice.
#include <array>
#include <cmath>
#include <numbers>
#include <optional>
#include <vector>

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

// A polynomial in x, its coefficients from degree 0 on; nothing if the value is none, or of a degree above 3.
using Polynomial = std::array<double, 4>;

std::optional<Polynomial> product(const Polynomial& a, const Polynomial& b) {
  Polynomial all{};
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t j = 0; j < b.size(); ++j) {
      if (a[i] * b[j] == 0) continue;
      if (i + j >= all.size()) return std::nullopt;
      all[i + j] += a[i] * b[j];
    }
  }
  return all;
}

std::optional<Polynomial> polynomial(const Graph& graph, ValueId id, ValueId x, int depth = 0) {
  if (id == x) return Polynomial{0, 1, 0, 0};
  if (id == kAbsent || depth > 8) return std::nullopt;
  if (graph.value(id).is_constant()) {
    const std::optional<double> number = scalar_value(graph.value(id).info.constant);
    return number ? std::optional(Polynomial{*number, 0, 0, 0}) : std::nullopt;
  }
  const Node* node = graph.producer(id);
  if (!node || node->inputs.size() != 2) return std::nullopt;
  const std::optional<Polynomial> a = polynomial(graph, node->inputs[0], x, depth + 1),
                                  b = polynomial(graph, node->inputs[1], x, depth + 1);
  if (!a || !b) return std::nullopt;
  const bool number = *b == Polynomial{(*b)[0], 0, 0, 0};
  if (node->is("mul")) return product(*a, *b);
  if (node->is("div") && number) return product(*a, {1 / (*b)[0], 0, 0, 0});
  if (node->is("add")) {
    Polynomial sum = *a;
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += (*b)[i];
    return sum;
  }
  if (!node->is("pow") || !number || ((*b)[0] != 2 && (*b)[0] != 3)) return std::nullopt;
  const std::optional<Polynomial> square = product(*a, *a);
  return (*b)[0] == 2 || !square ? square : product(*square, *a);
}

bool is_near(const Polynomial& a, const Polynomial& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::abs(a[i] - b[i]) > 1e-6 * std::abs(b[i])) return false;
  }
  return true;
}

// The factors of a tree of products and quotients, and the products of these: x may be one itself.
void gather_factors(const Graph& graph, ValueId id, std::vector<ValueId>& factors, int depth = 0) {
  if (graph.value(id).is_constant()) return;
  factors.push_back(id);
  const Node* node = graph.producer(id);
  if (!node || depth > 4 || !(node->is("mul") || node->is("div"))) return;
  gather_factors(graph, node->inputs[0], factors, depth + 1);
  gather_factors(graph, node->inputs[1], factors, depth + 1);
}

// What `id` is made of as scale * x * term, however that is bracketed.
struct Term {
  ValueId x, term;
  int xs = 0, terms = 0;
  double scale = 1;
};

bool take_factors(const Graph& graph, ValueId id, Term& found, int depth = 0) {
  if (id == found.x) return ++found.xs == 1;
  if (id == found.term) return ++found.terms == 1;
  if (graph.value(id).is_constant()) {
    const std::optional<double> number = scalar_value(graph.value(id).info.constant);
    found.scale *= number.value_or(0);
    return number.has_value();
  }
  const Node* node = graph.producer(id);
  if (!node || depth > 4) return false;
  if (node->is("mul")) {
    return take_factors(graph, node->inputs[0], found, depth + 1) &&
           take_factors(graph, node->inputs[1], found, depth + 1);
  }
  const std::optional<double> divisor = node->is("div") && graph.value(node->inputs[1]).is_constant()
                                            ? scalar_value(graph.value(node->inputs[1]).info.constant)
                                            : std::nullopt;
  if (!divisor) return false;
  found.scale /= *divisor;
  return take_factors(graph, node->inputs[0], found, depth + 1);
}

// erf(..) + 1 or tanh(..) + 1: the function's node; null if it is none, or used elsewhere too.
const Node* bell_below(const Graph& graph, ValueId id) {
  const Node* sum = graph.producer(id);
  if (!sum || !sum->is("add")) return nullptr;
  for (size_t i : {size_t{0}, size_t{1}}) {
    const Value& one = graph.value(sum->inputs[1 - i]);
    const Node* node = graph.producer(sum->inputs[i]);
    if (!one.is_constant() || scalar_value(one.info.constant) != 1.0 || !node) continue;
    if ((node->is("erf") || node->is("tanh")) && graph.single_use(sum->inputs[i])) return node;
  }
  return nullptr;
}

Outcome gelu(Graph& graph, const Match& m, const PassContext&) {
  std::vector<ValueId> factors;
  gather_factors(graph, m.root(), factors);
  const double root = std::sqrt(2 / std::numbers::pi);
  for (ValueId term : factors) {
    const Node* bell = bell_below(graph, term);
    if (!bell) continue;
    const bool exact = bell->is("erf");
    const Polynomial want =
        exact ? Polynomial{0, 1 / std::numbers::sqrt2, 0, 0} : Polynomial{0, root, 0, root * 0.044715};
    for (ValueId x : factors) {
      const std::optional<Polynomial> inner = polynomial(graph, bell->inputs[0], x);
      Term found{x, term};
      if (x == term || !inner || !is_near(*inner, want) || !take_factors(graph, m.root(), found)) continue;
      if (found.xs != 1 || found.terms != 1 || std::abs(found.scale - 0.5) > 1e-6) continue;
      if (!is_float(graph.type(x).dtype)) return "it is not floating point";
      if (graph.type(x).rank() != graph.type(m.root()).rank()) return "its constants make the result larger";
      return graph.add1(exact ? Gelu{} : Gelu{"tanh"}, {x});
    }
  }
  return Outcome::no();
}

Pattern exp_of_minus() {
  return node("exp", {either({node("neg", {any("x")}), node("mul", {any("x"), scalar(-1)})})}).once();
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
  return rewrite_pass(
      "recognize_activations",
      {{"silu", node("mul", {any("x"), node("sigmoid", {any("x")}).once()}), make(op("silu"))},
       {"silu_by_exp", node("div", {any("x"), node("add", {exp_of_minus(), scalar(1)})}), make(op("silu"))},
       {"sigmoid_by_exp", node("div", {scalar(1), node("add", {exp_of_minus(), scalar(1)})}), make(op("sigmoid"))},
       {"sigmoid_by_reciprocal", node("reciprocal", {node("add", {exp_of_minus(), scalar(1)})}), make(op("sigmoid"))},
       {"mish", node("mul", {any("x"), node("tanh", {node("softplus", {any("x")}).once()}).once()}), make(op("mish"))},
       {"gelu", node("mul"), gelu},
       {"gelu_by_div", node("div"), gelu},
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
