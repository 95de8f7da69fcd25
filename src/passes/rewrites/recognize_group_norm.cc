// SPDX-License-Identifier: Apache-2.0
// reshape(instance_norm(reshape(x: [N,C,...]): [N,G,...], s, b))  =>  group_norm{num_groups=G}(x, s', b')
// norm(x, s, b) * w  =>  norm(x, s * w, b * w)      instance_norm or group_norm, w constant along all but the channels
// norm(x, s, b) + c  =>  norm(x, s, b + c)
// d / sqrt(mean(d * d) + e)  =>  instance_norm{epsilon=e}(x, 1, 0)     with d = x - mean(x), means over all but N and C
#include "ops/group_norm.h"
#include "ops/reduce.h"
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

// The channels of [N,C,...], where they are known.
std::optional<int64_t> channels_of(const Graph& graph, ValueId x) {
  const Type& type = graph.type(x);
  if (type.dtype != DType::f32 || type.rank() < 3) return std::nullopt;
  return (*type.shape)[1].constant();
}

Tensor filled(int64_t size, float value) {
  Tensor tensor = Tensor::zeros(DType::f32, {size});
  for (float& x : tensor.mutable_data<float>()) x = value;
  return tensor;
}

// Each element `times` over.
Tensor repeated(const Tensor& tensor, int64_t times) {
  Tensor all = Tensor::zeros(DType::f32, {tensor.size() * times});
  const std::span<float> to = all.mutable_data<float>();
  for (size_t i = 0; i < to.size(); ++i) to[i] = tensor.data<float>()[i / static_cast<size_t>(times)];
  return all;
}

Outcome grouped(Graph& graph, const Match& m, const PassContext&) {
  const Node norm = m.node("norm");
  const InstanceNorm instance = norm.op.as<InstanceNorm>();
  const std::optional<int64_t> channels = channels_of(graph, m["x"]), groups = channels_of(graph, norm.inputs[0]);
  if (!channels || !groups || *channels % *groups != 0 || instance.channels_last) return Outcome::no();
  const Shape &x = m.shape("x"), &inner = graph.shape(norm.inputs[0]);
  if (!same_shape(graph.shape(m.root()), x) || equal(x[0], inner[0]) != Tri::yes)
    return "its result has not the shape that came in";
  const Tensor scale = m.tensor("s"), bias = m.tensor("b");
  if (scale.dtype() != DType::f32 || bias.dtype() != DType::f32) return Outcome::no();
  const int64_t times = *channels / *groups;
  return graph.add1(GroupNorm{*groups, instance.epsilon},
                    {m["x"], graph.add_constant(repeated(scale, times)), graph.add_constant(repeated(bias, times))});
}

// The constant as one number for each channel of [N,C,...]; nothing if it is no such.
std::optional<Tensor> per_channel(const Tensor& tensor, const Shape& shape, int64_t channels) {
  if (tensor.dtype() != DType::f32 || tensor.rank() > std::ssize(shape)) return std::nullopt;
  if (tensor.size() == 1) return filled(channels, tensor.data<float>()[0]);
  const int64_t at = 1 - (std::ssize(shape) - tensor.rank());  // of the channels among its own dims
  if (at < 0 || tensor.size() != channels || tensor.dims()[static_cast<size_t>(at)] != channels) return std::nullopt;
  return tensor.reshaped({channels});
}

Outcome folded(Graph& graph, const Match& m, bool product) {
  const Node norm = m.node("norm");
  const std::optional<int64_t> channels = channels_of(graph, norm.inputs[0]);
  if (!channels || field_of<bool>(norm.op, "channels_last")) return Outcome::no();
  const Tensor scale = graph.value(norm.inputs[1]).info.constant, bias = graph.value(norm.inputs[2]).info.constant;
  if (!scale.present() || !bias.present() || scale.dtype() != DType::f32 || bias.dtype() != DType::f32)
    return "its scale and bias are not constant";
  const std::optional<Tensor> w = per_channel(m.tensor("w"), graph.shape(norm.inputs[0]), *channels);
  if (!w || !same_shape(graph.shape(m.root()), graph.shape(m["norm"])))
    return "the constant varies along more than the channels";
  const Tensor new_scale = product ? compute("mul", {scale, *w}) : scale;
  const Tensor new_bias = compute(product ? "mul" : "add", {bias, *w});
  return graph.add1(norm.op, {norm.inputs[0], graph.add_constant(new_scale), graph.add_constant(new_bias)});
}

bool over_the_plane(const Graph& graph, const Node& mean) {
  const auto* reduce = mean.op.get_if<ReduceMean>();
  const int64_t rank = graph.type(mean.inputs[0]).rank();
  if (!reduce || !reduce->keepdims || rank < 4 || std::ssize(reduce->axes) != rank - 2) return false;
  std::vector<bool> reduced(static_cast<size_t>(rank));
  for (int64_t axis : reduce->axes) reduced[static_cast<size_t>(axis < 0 ? axis + rank : axis)] = true;
  return !reduced[0] && !reduced[1];
}

Outcome spelled(Graph& graph, const Match& m, const PassContext&) {
  if (!over_the_plane(graph, m.node("mean")) || !over_the_plane(graph, m.node("variance")))
    return "a mean is not over all but the images and channels";
  const std::optional<int64_t> channels = channels_of(graph, m["x"]);
  if (!channels) return "the channels are not known";
  if (graph.type(m.root()).rank() != graph.type(m["x"]).rank()) return "epsilon makes the result larger";
  const auto epsilon = static_cast<float>(*scalar_value(m.tensor("epsilon")));
  return graph.add1(InstanceNorm{epsilon},
                    {m["x"], graph.add_constant(filled(*channels, 1)), graph.add_constant(filled(*channels, 0))});
}

}  // namespace

Pass recognize_group_norm() {
  const Pattern inner = node("instance_norm", {node("reshape_to", {any("x")}), constant("s"), constant("b")});
  const Pattern d = node("sub", {any("x"), node("reduce_mean", {any("x")}).as("mean")}).as("d");
  const Pattern variance = node("reduce_mean", {node("mul", {any("d"), any("d")})}).as("variance");
  const Pattern deviation = node("sqrt", {node("add", {variance, scalar("epsilon")})});
  std::vector<Rewrite> rewrites = {{"grouped", node("reshape_to", {inner.as("norm").once()}), grouped},
                                   {"spelled", node("div", {d, deviation}), spelled}};
  for (const char* norm : {"instance_norm", "group_norm"}) {
    const Pattern once = node(norm).as("norm").once();
    rewrites.push_back({std::string(norm) + "_scale", node("mul", {once, constant("w")}),
                        [](Graph& graph, const Match& m, const PassContext&) { return folded(graph, m, true); }});
    rewrites.push_back({std::string(norm) + "_shift", node("add", {once, constant("w")}),
                        [](Graph& graph, const Match& m, const PassContext&) { return folded(graph, m, false); }});
  }
  return rewrite_pass("recognize_group_norm", std::move(rewrites));
}

}  // namespace mj
