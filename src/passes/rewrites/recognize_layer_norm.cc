// SPDX-License-Identifier: Apache-2.0
// d / sqrt(mean(d * d) + e)  =>  layer_norm{epsilon=e}(x, 1)      with d = x - mean(x), means over the last axis
// x / sqrt(mean(x * x) + e)  =>  rms_norm{epsilon=e}(x, 1)        both also by products with 1 / sqrt, as one operator
//                                                                 or two
// rms_norm(x, 1) * w         =>  rms_norm(x, w)
// layer_norm(x, 1) * w       =>  layer_norm(x, w)                 w a constant row of the last axis
// layer_norm(x, w) + b       =>  layer_norm(x, w, b)
#include "ops/layer_norm.h"
#include "ops/reduce.h"
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

std::string over_last_axis(const Graph& graph, const Node& mean) {
  const auto* reduce = mean.op.get_if<ReduceMean>();
  const int64_t rank = graph.type(mean.inputs[0]).rank();
  if (!reduce || rank < 1) return "its rank is unknown";
  const bool last = reduce->axes.size() == 1 && (reduce->axes[0] == -1 || reduce->axes[0] == rank - 1);
  return last && reduce->keepdims ? "" : "a mean is not over the last axis, or drops it";
}

// A norm over more than the last axis takes a scale and a bias for all of them: a row would leave its kernel.
bool normalizes_rows(const Graph& graph, const Node& norm) {
  const auto axis = field_of<int64_t>(norm.op, "axis");
  return axis == -1 || axis + 1 == graph.type(norm.inputs[0]).rank();
}

// The length of the last axis, where it is known and the value is f32.
std::optional<int64_t> row_length(const Graph& graph, ValueId x) {
  const Type& type = graph.type(x);
  if (type.dtype != DType::f32 || type.rank() < 1) return std::nullopt;
  return type.shape->back().constant();
}

// A constant that is one row: [C] or [1, ..., C].
bool is_row(const Graph& graph, ValueId id, int64_t length) {
  const Value& value = graph.value(id);
  return value.is_constant() && value.info.constant.size() == length && value.type().rank() >= 1 &&
         value.info.constant.dims().back() == length;
}

ValueId as_row(Graph& graph, ValueId id, int64_t length) {
  return graph.add_constant(graph.value(id).info.constant.reshaped({length}));
}

Outcome spelled_norm(Graph& graph, const Match& m, const PassContext&) {
  for (const char* mean : {"mean", "variance"}) {
    if (!m.has(mean)) continue;
    if (std::string why = over_last_axis(graph, m.node(mean)); !why.empty()) return why;
  }
  const std::optional<int64_t> length = row_length(graph, m["x"]);
  if (!length) return "the last axis has no known length";
  if (graph.type(m.root()).rank() != graph.type(m["x"]).rank()) return "epsilon makes the result larger";
  Tensor ones = Tensor::zeros(DType::f32, {*length});
  for (float& x : ones.mutable_data<float>()) x = 1;
  const auto epsilon = static_cast<float>(*scalar_value(m.tensor("epsilon")));
  const Op norm = m.has("mean") ? Op(LayerNorm{-1, epsilon}) : Op(RmsNorm{-1, epsilon});
  return graph.add1(norm, {m["x"], graph.add_constant(ones)});
}

Outcome scaled(Graph& graph, const Match& m, const PassContext&) {
  const Node& norm = m.node("norm");
  const std::optional<int64_t> length = row_length(graph, norm.inputs[0]);
  if (norm.inputs.size() != 2 || !length || !is_row(graph, m["w"], *length)) return "the factor is not a constant row";
  if (!normalizes_rows(graph, norm)) return "the norm is over several axes";
  const Tensor& scale = graph.value(norm.inputs[1]).info.constant;
  if (!scale.present() || scale.dtype() != DType::f32) return "the norm has a scale already";
  for (float x : scale.data<float>()) {
    if (x != 1) return "the norm has a scale already";
  }
  if (!same_shape(graph.shape(m.root()), graph.shape(m["norm"]))) return "the product is larger";
  return graph.add1(norm.op, {norm.inputs[0], as_row(graph, m["w"], *length)});
}

Outcome shifted(Graph& graph, const Match& m, const PassContext&) {
  const Node& norm = m.node("norm");
  const std::optional<int64_t> length = row_length(graph, norm.inputs[0]);
  if (norm.inputs.size() != 2 || !length || !is_row(graph, m["b"], *length)) return "the summand is not a constant row";
  if (!normalizes_rows(graph, norm)) return "the norm is over several axes";
  if (!same_shape(graph.shape(m.root()), graph.shape(m["norm"]))) return "the sum is larger";
  return graph.add1(norm.op, {norm.inputs[0], norm.inputs[1], as_row(graph, m["b"], *length)});
}

}  // namespace

Pass recognize_layer_norm() {
  const Pattern d = node("sub", {any("x"), node("reduce_mean", {any("x")}).as("mean")}).as("d");
  // What is divided by the root of the mean of the squares of the value called `name`.
  const auto normalized = [](const Pattern& value, const char* name) {
    const Pattern squares = node("reduce_mean", {node("mul", {any(name), any(name)})}).as("variance");
    const Pattern shifted = node("add", {squares, scalar("epsilon")}), root = node("sqrt", {shifted});
    const Pattern inverse = either({node("rsqrt", {shifted}), node("reciprocal", {root}),
                                    node("div", {scalar(1), root}), node("pow", {shifted, scalar(-0.5)})});
    return either({node("div", {value, root}), node("mul", {value, inverse})});
  };
  const Pattern norm = node("layer_norm").as("norm").once(), rms = node("rms_norm").as("norm").once();
  return rewrite_pass("recognize_layer_norm", {{"spelled", normalized(d, "d"), spelled_norm},
                                               {"rms", normalized(any("x"), "x"), spelled_norm},
                                               {"scaled", node("mul", {norm, constant("w")}), scaled},
                                               {"scaled_rms", node("mul", {rms, constant("w")}), scaled},
                                               {"shifted", node("add", {norm, constant("b")}), shifted}});
}

}  // namespace mj
