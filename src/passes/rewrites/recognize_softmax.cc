// SPDX-License-Identifier: Apache-2.0
// e / sum(e)  =>  softmax{axis}(x)      with e = exp(x - max(x)), sum and max over the same axis, reshaped or not
//
// max(-inf, max(x)), as JAX writes it, is max(x). Without max(x) the exponentials may overflow where softmax does not.
#include <cmath>

#include "ops/softmax.h"
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

// The axis along which `id`, with a 1 in its place, is `fold` of `x`; nothing if it is no such.
std::optional<int64_t> folded_axis(const Graph& graph, ValueId id, std::string_view fold, ValueId x) {
  const Shape& whole = graph.shape(x);
  if (!graph.type(id).shape) return std::nullopt;
  const Shape shape = graph.shape(id);
  const Node* node = graph.producer(id);
  for (int steps = 0; node && steps < 4; ++steps) {
    if (node->is("reshape_to")) {
      node = graph.producer(node->inputs[0]);
    } else if (node->is("max")) {
      const auto lowest = [&](ValueId v) {
        const Value& value = graph.value(v);
        const std::optional<double> number = value.is_constant() ? scalar_value(value.info.constant) : std::nullopt;
        return number && std::isinf(*number) && *number < 0;
      };
      if (node->inputs.size() != 2 || (!lowest(node->inputs[0]) && !lowest(node->inputs[1]))) return std::nullopt;
      node = graph.producer(node->inputs[lowest(node->inputs[0]) ? 1 : 0]);
    } else {
      break;
    }
  }
  if (!node || !node->is(fold) || node->inputs[0] != x) return std::nullopt;
  const auto axes = field_of<std::vector<int64_t>>(node->op, "axes");
  if (axes.size() != 1) return std::nullopt;
  const int64_t axis = axes[0] < 0 ? axes[0] + std::ssize(whole) : axes[0];
  Shape want = whole;
  want[static_cast<size_t>(axis)] = 1;
  return same_shape(shape, want) ? std::optional(axis) : std::nullopt;
}

Outcome spelled_softmax(Graph& graph, const Match& m, const PassContext&) {
  const ValueId x = m["x"], e = m["e"];
  if (graph.type(x).dtype != DType::f32 || !graph.type(x).shape || !same_shape(graph.shape(x), graph.shape(m.root())))
    return Outcome::no();
  const std::optional<int64_t> top = folded_axis(graph, m["top"], "reduce_max", x),
                               sum = folded_axis(graph, m["sum"], "reduce_sum", e);
  if (!top || !sum) return "a divisor or what is subtracted is no sum or maximum along an axis";
  if (*top != *sum) return "the maximum and the sum are along different axes";
  if (graph.is_output(e) || graph.value(e).users.size() != 2) return "the exponentials are used elsewhere too";
  return graph.add1(Softmax{*top}, {x});
}

}  // namespace

Pass recognize_softmax() {
  const Pattern e = node("exp", {node("sub", {any("x"), any("top")})}).as("e");
  return rewrite_pass("recognize_softmax", {{"spelled", node("div", {e, any("sum")}), spelled_softmax}});
}

}  // namespace mj
