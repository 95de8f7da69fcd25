// SPDX-License-Identifier: Apache-2.0
// identity(x)                         =>  x
// cast{to}(x)                         =>  x    where x has that type
// transpose{perm}(x)                  =>  x    where perm moves nothing
// reshape_to(x), expand_to(x)         =>  x    where the shape stays
// slice_to(x)                         =>  x    where the shape stays and every step is 1
// pad(x, 0...)                        =>  x
// concat(x)                           =>  x
// x * 1, x / 1, x - 0, x + 0          =>  x    where the constant does not make the result larger; x + 0 turned -0 to 0
// x and true, x or false              =>  x    likewise
#include <algorithm>

#include "ops/cast.h"
#include "ops/transpose.h"
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

Outcome first_if(bool condition, const Match& m) { return condition ? Outcome(m["x"]) : Outcome::no(); }

bool same_type(const Graph& graph, const Match& m) {
  const Type &a = graph.type(m["x"]), &b = graph.type(m.root());
  return a.dtype == b.dtype && a.shape && b.shape && same_shape(*a.shape, *b.shape);
}

Outcome keep_if_same(Graph& graph, const Match& m, const PassContext&) { return first_if(same_type(graph, m), m); }

bool all_equal(const Tensor& tensor, double value) {
  if (tensor.dtype() == DType::string) return false;
  const std::vector<double> all = tensor.to_f64();
  return std::all_of(all.begin(), all.end(), [&](double x) { return x == value; });
}

Rewrite neutral(std::string op, double value) {
  return {op, node(op, {any("x"), constant("c")}), [value](Graph& graph, const Match& m, const PassContext&) {
            return first_if(same_type(graph, m) && all_equal(m.tensor("c"), value), m);
          }};
}

bool whole_steps(const Node& slice) {
  const auto steps = field_of<std::vector<int64_t>>(slice.op, "steps");
  return std::all_of(steps.begin(), steps.end(), [](int64_t step) { return step == 1; });
}

}  // namespace

Pass eliminate_identity() {
  std::vector<Rewrite> rewrites = {
      {"identity", node("identity", {any("x")}), [](Graph&, const Match& m, const PassContext&) { return m["x"]; }},
      {"cast", node("cast", {any("x")}),
       [](Graph& graph, const Match& m, const PassContext&) {
         return first_if(graph.type(m["x"]).dtype == graph.type(m.root()).dtype, m);
       }},
      {"transpose", node("transpose", {any("x")}),
       [](Graph& graph, const Match& m, const PassContext&) {
         const std::vector<int64_t> perm =
             graph.producer(m.root())->op.get_if<Transpose>()->order(graph.type(m["x"]).rank());
         return first_if(std::is_sorted(perm.begin(), perm.end()), m);
       }},
      {"reshape_to", node("reshape_to", {any("x")}), keep_if_same},
      {"expand_to", node("expand_to", {any("x")}), keep_if_same},
      {"slice_to", node("slice_to", {any("x")}),
       [](Graph& graph, const Match& m, const PassContext&) {
         return first_if(same_type(graph, m) && whole_steps(*graph.producer(m.root())), m);
       }},
      {"pad", node("pad"),
       [](Graph& graph, const Match& m, const PassContext&) -> Outcome {
         const Node& pad = *graph.producer(m.root());
         if (pad.inputs.size() < 2) return Outcome::no();
         const auto pads = graph.value(pad.inputs[1]).info.known_elements();
         if (!pads || std::any_of(pads->begin(), pads->end(), [](int64_t p) { return p != 0; })) return Outcome::no();
         return pad.inputs[0];
       }},
      {"concat", node("concat", {any("x")}), [](Graph&, const Match& m, const PassContext&) { return m["x"]; }},
      neutral("mul", 1),
      neutral("div", 1),
      neutral("add", 0),
      neutral("sub", 0),
      neutral("and", 1),
      neutral("or", 0),
  };
  return rewrite_pass("eliminate_identity", std::move(rewrites));
}

}  // namespace mj
