// SPDX-License-Identifier: Apache-2.0
// x * cos + rot(x) * sin                                   =>  rotary(x, cos, sin)
// stack(x1 * cos - x2 * sin, x2 * cos + x1 * sin)          =>  rotary(x, cos, sin)     one number for each pair
//
// where x1 and x2 are the halves of the last axis, stack joins them again and rot(x) = stack(-x2, x1); or, interleaved,
// x1 and x2 are every second element from the first and from the second on, and stack puts each beside its partner.
#include <array>

#include "ops/rotary.h"
#include "passes/edit.h"
#include "passes/parts.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

const Node* below_reshapes(const Graph& graph, ValueId& id) {
  const Node* node = graph.producer(id);
  while (node && node->is("reshape_to")) {
    id = node->inputs[0];
    node = graph.producer(id);
  }
  return node;
}

// The value without its sign, where it has one.
bool take_minus(const Graph& graph, ValueId& id) {
  const Node* node = graph.producer(id);
  if (!node) return false;
  if (node->is("neg")) {
    id = node->inputs[0];
    return true;
  }
  if (!node->is("mul")) return false;
  for (size_t i : {size_t{0}, size_t{1}}) {
    const Value& factor = graph.value(node->inputs[1 - i]);
    if (!factor.is_constant() || scalar_value(factor.info.constant) != -1.0) continue;
    id = node->inputs[i];
    return true;
  }
  return false;
}

// x1 or x2 of `source`.
struct Half {
  ValueId source = kAbsent;
  bool second = false, interleaved = false;
};

bool ends_in(const Graph& graph, ValueId id, int64_t length) {
  const Type& type = graph.type(id);
  return type.rank() > 0 && type.shape->back() == Dim(length);
}

// Neighbours may be reshaped: what puts them together goes by their order alone.
std::optional<Half> half_of(const Graph& graph, ValueId id) {
  const ValueId given = id;
  below_reshapes(graph, id);
  const int64_t axis = graph.type(id).rank() - 1;
  std::optional<Part> part = axis < 0 ? std::nullopt : part_of(graph, id, axis);
  if (!part) return std::nullopt;
  const std::optional<int64_t> length = graph.shape(part->source).back().constant();
  if (!length || *length % 2 != 0 || *length == 0) return std::nullopt;
  const int64_t count = (part->end - part->start) / part->step;
  if (2 * count != *length) return std::nullopt;
  if (part->step == 1 && *length == 2) {  // [..., D/2, 2], a view of x
    const Node* view = graph.producer(part->source);
    if (view && view->is("reshape_to")) return Half{view->inputs[0], part->start == 1, true};
  }
  if (part->step == 1 && part->start % count == 0 && id == given)
    return Half{part->source, part->start == count, false};
  if (part->step == 2) return Half{part->source, part->start == 1, true};
  return std::nullopt;
}

// The two values of which `id`, of x's shape, is the stack.
struct Stack {
  ValueId first = kAbsent, second = kAbsent;
  bool interleaved = false;
};

std::optional<Stack> stack_of(const Graph& graph, ValueId id) {
  ValueId inner = id;
  const Node* concat = below_reshapes(graph, inner);
  const int64_t rank = graph.type(inner).rank();
  if (!concat || !concat->is("concat") || concat->inputs.size() != 2 || rank < 1) return std::nullopt;
  const auto axis = field_of<int64_t>(concat->op, "axis");
  if (axis != -1 && axis + 1 != rank) return std::nullopt;
  const bool pairs = ends_in(graph, concat->inputs[0], 1) && ends_in(graph, concat->inputs[1], 1);
  if (pairs != (inner != id)) return std::nullopt;
  return Stack{concat->inputs[0], concat->inputs[1], pairs};
}

// Is `id` rot(x), and how?
std::optional<bool> rotated(const Graph& graph, ValueId id, ValueId x) {
  const std::optional<Stack> stack = stack_of(graph, id);
  if (!stack) return std::nullopt;
  ValueId minus = stack->first;
  bool found = take_minus(graph, minus);
  if (!found) {
    below_reshapes(graph, minus);
    found = take_minus(graph, minus);
  }
  const std::optional<Half> first = half_of(graph, minus), second = half_of(graph, stack->second);
  const bool fits = found && first && second && first->source == x && second->source == x && first->second &&
                    !second->second && first->interleaved == second->interleaved &&
                    (first->interleaved == stack->interleaved || ends_in(graph, x, 2));
  return fits ? std::optional(stack->interleaved) : std::nullopt;
}

// May cos or sin, of this width, be the operator's?
bool is_factor(const Graph& graph, ValueId id, ValueId x, bool pairs) {
  const Type &type = graph.type(id), &whole = graph.type(x);
  if (type.dtype != DType::f32 || whole.dtype != DType::f32 || type.rank() < 1 || type.rank() > whole.rank())
    return false;
  const Dim& width = type.shape->back();
  return equal(pairs ? width * 2 : width, whole.shape->back()) == Tri::yes;
}

Outcome by_products(Graph& graph, const Match& m, const PassContext&) {
  for (const auto& [a, b, c, d] : {std::array{"a", "b", "c", "d"}, std::array{"c", "d", "a", "b"}}) {
    for (const auto& [x, cos] : {std::pair{m[a], m[b]}, std::pair{m[b], m[a]}}) {
      for (const auto& [turned, sin] : {std::pair{m[c], m[d]}, std::pair{m[d], m[c]}}) {
        if (x == kAbsent || !graph.type(x).shape || !graph.type(m.root()).shape) continue;
        const std::optional<bool> interleaved = rotated(graph, turned, x);
        if (!interleaved || !same_shape(graph.shape(x), graph.shape(m.root()))) continue;
        if (!is_factor(graph, cos, x, false) || !is_factor(graph, sin, x, false)) return "cos or sin is broadcast";
        return graph.add1(Rotary{*interleaved}, {x, cos, sin});
      }
    }
  }
  return Outcome::no();
}

// x1 * f, the half first.
std::optional<std::pair<Half, ValueId>> scaled_half(const Graph& graph, ValueId id) {
  const Node* node = graph.producer(id);
  if (!node || !node->is("mul")) return std::nullopt;
  for (size_t i : {size_t{0}, size_t{1}}) {
    const std::optional<Half> half = half_of(graph, node->inputs[i]);
    if (!half || !graph.type(half->source).shape || !graph.type(id).shape) continue;
    Shape shape = graph.shape(half->source);  // what the factor is broadcast to
    shape.back() = floor_div(shape.back(), 2);
    if (same_shape(graph.shape(node->inputs[i]), shape) && same_shape(graph.shape(id), shape))
      return std::pair(*half, node->inputs[1 - i]);
  }
  return std::nullopt;
}

Outcome by_halves(Graph& graph, const Match& m, const PassContext&) {
  const std::optional<Stack> stack = stack_of(graph, m.root());
  if (!stack) return Outcome::no();
  ValueId difference = stack->first, sum = stack->second;
  const Node *sub = below_reshapes(graph, difference), *add = below_reshapes(graph, sum);
  if (!sub || !add || !sub->is("sub") || !add->is("add")) return Outcome::no();
  const auto a = scaled_half(graph, sub->inputs[0]), b = scaled_half(graph, sub->inputs[1]);
  auto c = scaled_half(graph, add->inputs[0]), d = scaled_half(graph, add->inputs[1]);
  if (!a || !b || !c || !d) return Outcome::no();
  if (!c->first.second) std::swap(c, d);
  const ValueId x = a->first.source, cos = a->second, sin = b->second;
  const bool one_source = b->first.source == x && c->first.source == x && d->first.source == x;
  const bool places = !a->first.second && b->first.second && c->first.second && !d->first.second;
  const bool kinds = a->first.interleaved == stack->interleaved && b->first.interleaved == stack->interleaved &&
                     c->first.interleaved == stack->interleaved && d->first.interleaved == stack->interleaved;
  if (!one_source || !places || !kinds || c->second != cos || d->second != sin) return Outcome::no();
  if (!graph.type(m.root()).shape || !same_shape(graph.shape(x), graph.shape(m.root()))) return Outcome::no();
  if (!is_factor(graph, cos, x, true) || !is_factor(graph, sin, x, true)) return "cos or sin is broadcast";
  return graph.add1(Rotary{stack->interleaved}, {x, cos, sin});
}

}  // namespace

Pass recognize_rotary() {
  const Pattern sum = node("add", {node("mul", {any("a"), any("b")}), node("mul", {any("c"), any("d")})});
  return rewrite_pass("recognize_rotary", {{"products", sum, by_products},
                                           {"halves", node("concat"), by_halves},
                                           {"pairs", node("reshape_to"), by_halves}});
}

}  // namespace mj
