// SPDX-License-Identifier: Apache-2.0
// quantize(relu?(conv(dq(x), dq(w), b)))         =>  quantized_conv(x, w, sx * sw / sy, b / (sx * sw))
// quantize(relu?(matmul(dq(x), dq(w)) + b))      =>  quantized_matmul(x, w, ...)              gemm likewise
// quantize(relu?(reduce_mean(dq(x))))            =>  quantized_mean(x, sx / sy)
// quantize(w)                                    =>  its numbers, where w is constant
// quantize(relu?(dq(a) + dq(b)))                 =>  quantized_add(a, b)       of one shape
//   where dq(x) = (x - zx) * sx has one scale, dq(w) one or one for each output, and the sums provably fit i32
// This is no optimization but what such a region means: the sum is exact and rounded once (ops/quantized.h), where
// maths in f32 would round as its order happens to be. So the oracle runs it too, and every engine equals it bit for
// bit.
#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "ops/clip.h"
#include "ops/conv.h"
#include "ops/gemm.h"
#include "ops/quantize.h"
#include "ops/quantized.h"
#include "ops/reduce.h"
#include "passes/edit.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace mj {
namespace {

const Tensor& known(const Graph& graph, ValueId id) { return graph.value(id).info.constant; }

ValueId input_of(const Node& node, size_t i) { return i < node.inputs.size() ? node.inputs[i] : kAbsent; }

// A constant, or what a few operators make of constants: a bias that was quantized, scales that were multiplied.
std::optional<Tensor> computed(const Graph& graph, ValueId id, int depth = 4) {
  if (id == kAbsent) return std::nullopt;
  if (known(graph, id).present()) return known(graph, id);
  const Node* node = graph.producer(id);
  if (!node || !node->op || !node->epilogue.empty() || !node->regions.empty() || depth == 0 ||
      node->outputs.size() != 1 || !node->op.pure())
    return std::nullopt;
  std::vector<Tensor> inputs;
  for (ValueId input : node->inputs) {
    std::optional<Tensor> value = input == kAbsent ? Tensor() : computed(graph, input, depth - 1);
    if (!value) return std::nullopt;
    inputs.push_back(std::move(*value));
  }
  Result<std::vector<Tensor>> result = evaluate(node->op, inputs);
  return result.ok() ? std::optional((*result)[0]) : std::nullopt;
}

// The two sides of a quantize_linear or dequantize_linear that work on bytes and f32.
struct Scaling {
  ValueId value = kAbsent;  // the operand
  std::vector<float> scale;
  Tensor zero;  // absent: 0
  int64_t axis = 0;

  int64_t zero_point() const { return zero.present() ? zero.to_i64()[0] : 0; }
};

// Says why not; empty: `out` is filled.
std::string read_scaling(const Graph& graph, const Node& node, Scaling& out) {
  if (field_of<int64_t>(node.op, "block_size") != 0) return "it has one scale for each block";
  const std::optional<Tensor> scale = computed(graph, node.inputs[1]);
  if (!scale) return "a scale is not constant";
  if (scale->dtype() != DType::f32) return fmt::format("a scale is {}", name(scale->dtype()));
  out.value = node.inputs[0];
  out.scale.assign(scale->data<float>().begin(), scale->data<float>().end());
  for (float s : out.scale)
    if (!(s > 0) || std::isinf(s)) return "a scale is not a positive number";
  if (const ValueId zero = input_of(node, 2); zero != kAbsent) {
    const std::optional<Tensor> point = computed(graph, zero);
    if (!point) return "a zero point is not constant";
    out.zero = *point;
  }
  out.axis = field_of<int64_t>(node.op, "axis");
  return "";
}

std::string read_dequantize(const Graph& graph, ValueId id, std::string_view what, Scaling& out) {
  const Node* node = id == kAbsent ? nullptr : graph.producer(id);
  if (!node || !node->is("dequantize_linear")) return fmt::format("{} are not dequantized", what);
  if (!is_byte(graph.type(node->inputs[0]).dtype)) {
    return fmt::format("{} are {}", what, name(graph.type(node->inputs[0]).dtype));
  }
  if (graph.type(id).dtype != DType::f32) return fmt::format("{} are dequantized to another type than f32", what);
  return read_scaling(graph, *node, out);
}

std::string read_activation(const Graph& graph, ValueId id, Scaling& out) {
  if (std::string reason = read_dequantize(graph, id, "its inputs", out); !reason.empty()) return reason;
  return out.scale.size() == 1 ? "" : "its inputs have several scales";
}

struct Weights {
  Scaling scaling;
  Tensor values;  // [outputs, ...], or [K, outputs]
  Tensor zero;    // absent where i8 holds the weights less their zero points: `values` has them then
  int64_t outputs = 0;
  std::vector<double> magnitudes;  // sum of |w - zero| of each output
};

std::string read_weights(const Graph& graph, ValueId id, int64_t axis, Weights& out) {
  if (std::string reason = read_dequantize(graph, id, "its weights", out.scaling); !reason.empty()) return reason;
  const std::optional<Tensor> values = computed(graph, out.scaling.value);
  if (!values) return "its weights are not constant";
  out.values = *values;
  const std::vector<int64_t> dims = values->dims();
  const int64_t given = out.scaling.axis < 0 ? out.scaling.axis + values->rank() : out.scaling.axis;
  out.outputs = dims[static_cast<size_t>(axis)];
  if (out.scaling.scale.size() != 1 && given != axis) return "the scales of its weights are not those of its outputs";
  int64_t inner = 1;
  for (size_t d = static_cast<size_t>(axis) + 1; d < dims.size(); ++d) inner *= dims[d];
  std::vector<int64_t> numbers = values->to_i64();
  const std::vector<int64_t> zeros = out.scaling.zero.present() ? out.scaling.zero.to_i64() : std::vector<int64_t>{0};
  out.magnitudes.assign(static_cast<size_t>(out.outputs), 0);
  for (size_t i = 0; i < numbers.size(); ++i) {
    const size_t o = i / static_cast<size_t>(inner) % static_cast<size_t>(out.outputs);
    numbers[i] -= zeros[o % zeros.size()];
    out.magnitudes[o] += static_cast<double>(std::abs(numbers[i]));
  }
  if (std::all_of(numbers.begin(), numbers.end(), [](int64_t w) { return w >= -128 && w <= 127; })) {
    out.values = Tensor::zeros(DType::i8, dims);
    std::transform(numbers.begin(), numbers.end(), out.values.mutable_data<int8_t>().begin(),
                   [](int64_t w) { return static_cast<int8_t>(w); });
  } else {
    out.zero = out.scaling.zero.reshaped({std::ssize(zeros)});
  }
  return "";
}

// The bias as whole numbers of `units`. One that was quantized in these units is taken as it is.
std::string read_bias(const Graph& graph, ValueId id, const std::vector<float>& units, const std::vector<float>& steps,
                      std::vector<double>& out) {
  if (id == kAbsent) return "";
  const size_t outputs = out.size();
  const Node* node = graph.producer(id);
  if (node && node->is("dequantize_linear") && graph.type(node->inputs[0]).dtype == DType::i32) {
    Scaling scaling;
    const std::optional<Tensor> numbers = computed(graph, node->inputs[0]);
    const bool plain =
        numbers && static_cast<size_t>(numbers->size()) == outputs && read_scaling(graph, *node, scaling).empty() &&
        (!scaling.zero.present() || identical(scaling.zero, Tensor::zeros(DType::i32, scaling.zero.dims())));
    bool same = plain;
    // Exporters multiply the scales in double or in f32.
    constexpr float kRounding = 1e-6f;
    for (size_t o = 0; same && o < outputs; ++o) {
      const float scale = scaling.scale[o % scaling.scale.size()];
      same = std::abs(scale - units[o % units.size()]) <= kRounding * scale;
    }
    if (same) {
      const std::vector<int64_t> values = numbers->to_i64();
      for (size_t o = 0; o < outputs; ++o) out[o] = static_cast<double>(values[o]);
      return "";
    }
  }
  const std::optional<Tensor> values = computed(graph, id);
  if (!values) return "its bias is not constant";
  if (values->size() != 1 && (values->dims().empty() || values->dims().back() != values->size()))
    return "its bias varies along more than the outputs";
  if (values->size() != 1 && static_cast<size_t>(values->size()) != outputs)
    return "its bias is not one for each output";
  const std::vector<double> numbers = values->to_f64();
  for (size_t o = 0; o < outputs; ++o) {
    // Half a unit is lost at most. It must be next to nothing beside a step of the result.
    constexpr float kCoarse = 1.0f / 32;
    if (steps[o % steps.size()] > kCoarse) return "its bias would lose too much as an integer";
    out[o] = std::nearbyint(numbers[o % numbers.size()] / static_cast<double>(units[o % units.size()]));
  }
  return "";
}

// The clamp between sum and quantize, the node that it stands on, and whose result is used by nobody else.
struct Rounded {
  Scaling to;
  DType dtype = DType::none;
  int64_t low = 0, high = 0;
  ValueId sum = kAbsent;
};

std::string read_quantize(const Graph& graph, ValueId root, Rounded& out) {
  const Node& quantize = *graph.producer(root);
  out.dtype = graph.type(root).dtype;
  if (!is_byte(out.dtype)) return fmt::format("its results are {}", name(out.dtype));
  if (std::string reason = read_scaling(graph, quantize, out.to); !reason.empty()) return reason;
  if (out.to.scale.size() != 1) return "its results have several scales";
  std::tie(out.low, out.high) = byte_range(out.dtype);
  out.sum = quantize.inputs[0];
  const Node* node = graph.producer(out.sum);
  if (!node || !node->op) return "";
  float least = -std::numeric_limits<float>::infinity(), most = -least;
  if (node->is("relu")) {
    least = 0;
  } else if (const Clip* clip = node->op.get_if<Clip>(); clip && clip->min <= clip->max) {
    least = clip->min, most = clip->max;
  } else {
    return "";
  }
  if (!graph.single_use(out.sum)) return "";
  // Rounding keeps order: the bounds may as well be rounded themselves.
  const int64_t zero = out.to.zero_point();
  const auto bound = [&](float value) {
    const float steps = std::nearbyint(value / out.to.scale[0]);
    return static_cast<int64_t>(
        std::clamp(steps + static_cast<float>(zero), static_cast<float>(out.low), static_cast<float>(out.high)));
  };
  std::tie(out.low, out.high) = std::pair(bound(least), bound(most));
  out.sum = node->inputs[0];
  return "";
}

template <class T>
void set_requantize(T& op, const Scaling& x, const Rounded& y) {
  op.to = y.dtype;
  op.x_zero = x.zero_point();
  op.y_zero = y.to.zero_point();
  op.low = y.low, op.high = y.high;
}

// Inputs of quantized_conv and quantized_matmul after x, and what stands in the way.
struct Operands {
  std::vector<Tensor> tensors;  // w, scale, bias?, w_zero?
};

std::string read_operands(const Graph& graph, const Scaling& x, const Weights& w, ValueId bias, const Rounded& y,
                          Operands& out) {
  std::vector<float> units, steps;
  for (float scale : w.scaling.scale) {
    units.push_back(x.scale[0] * scale);
    steps.push_back(units.back() / y.to.scale[0]);
  }
  std::vector<double> biases(static_cast<size_t>(w.outputs), 0);
  if (std::string reason = read_bias(graph, bias, units, steps, biases); !reason.empty()) return reason;
  const auto [least, most] = byte_range(graph.type(x.value).dtype);
  const auto reach = static_cast<double>(std::max(most - x.zero_point(), x.zero_point() - least));
  for (size_t o = 0; o < biases.size(); ++o) {
    // Also as floats that are exact below 2^31 - 128, so that every way to round them meets the same bound.
    if (w.magnitudes[o] * reach + std::abs(biases[o]) > 2147483520.0) return "its sums may not fit i32";
  }
  Tensor scale = Tensor::zeros(DType::f32, {std::ssize(steps)});
  std::copy(steps.begin(), steps.end(), scale.mutable_data<float>().begin());
  out.tensors = {w.values, scale, Tensor(), Tensor()};
  if (bias != kAbsent) {
    Tensor whole = Tensor::zeros(DType::i32, {w.outputs});
    for (size_t o = 0; o < biases.size(); ++o) whole.mutable_data<int32_t>()[o] = static_cast<int32_t>(biases[o]);
    out.tensors[2] = whole;
  }
  out.tensors[3] = w.zero;
  return "";
}

ValueId emit(Graph& graph, Op op, ValueId x, const Operands& operands) {
  std::vector<ValueId> inputs{x};
  for (const Tensor& tensor : operands.tensors)
    inputs.push_back(tensor.present() ? graph.add_constant(tensor) : kAbsent);
  while (inputs.back() == kAbsent) inputs.pop_back();
  return graph.add1(std::move(op), inputs);
}

Outcome to_conv(Graph& graph, const Rounded& y, const Node& node) {
  Scaling x;
  Weights w;
  Operands operands;
  if (std::string reason = read_activation(graph, node.inputs[0], x); !reason.empty()) return reason;
  if (std::string reason = read_weights(graph, node.inputs[1], 0, w); !reason.empty()) return reason;
  if (std::string reason = read_operands(graph, x, w, input_of(node, 2), y, operands); !reason.empty()) return reason;
  const Conv& conv = node.op.as<Conv>();
  QuantizedConv made;
  made.strides = conv.strides, made.pads = conv.pads, made.dilations = conv.dilations;
  made.group = conv.group, made.auto_pad = conv.auto_pad, made.channels_last = conv.channels_last;
  set_requantize(made, x, y);
  return emit(graph, made, x.value, operands);
}

Outcome to_matmul(Graph& graph, const Rounded& y, const Node& node, ValueId bias) {
  const Gemm* gemm = node.op.get_if<Gemm>();
  if (gemm && (gemm->alpha != 1 || gemm->transA)) return "it is scaled or its inputs are transposed";
  if (gemm && input_of(node, 2) != kAbsent) {
    if (gemm->beta != 1) return "its bias is scaled";
    bias = node.inputs[2];
  }
  Scaling x;
  Weights w;
  Operands operands;
  const Type& weights = graph.type(node.inputs[1]);
  if (weights.rank() != 2) return "its weights are no matrix";
  if (graph.type(node.inputs[0]).rank() < 2) return "its inputs are a vector";
  const bool turned = gemm && gemm->transB;
  if (std::string reason = read_activation(graph, node.inputs[0], x); !reason.empty()) return reason;
  if (std::string reason = read_weights(graph, node.inputs[1], turned ? 0 : 1, w); !reason.empty()) return reason;
  if (std::string reason = read_operands(graph, x, w, bias, y, operands); !reason.empty()) return reason;
  if (turned) operands.tensors[0] = compute("transpose", {operands.tensors[0]});
  QuantizedMatMul made;
  set_requantize(made, x, y);
  return emit(graph, made, x.value, operands);
}

Outcome to_mean(Graph& graph, const Rounded& y, const Node& node) {
  Scaling x;
  if (std::string reason = read_activation(graph, node.inputs[0], x); !reason.empty()) return reason;
  double length = 1;
  const ReduceFields& fields = node.op.as<ReduceMean>();
  const Shape& shape = graph.shape(x.value);
  for (int64_t axis : fields.resolved(std::ssize(shape))) {
    length *= static_cast<double>(shape[static_cast<size_t>(axis)].constant().value_or(1 << 12));
  }
  // 2^23 bytes are the most whose sum surely fits; two dimensions that are not known are taken for 4096 each.
  if (length > (1 << 24)) return "its sums may not fit i32";
  QuantizedMean made;
  made.axes = fields.axes, made.keepdims = fields.keepdims;
  set_requantize(made, x, y);
  Tensor scale = Tensor::zeros(DType::f32, {1});
  scale.mutable_data<float>()[0] = x.scale[0] / y.to.scale[0];
  return graph.add1(made, {x.value, graph.add_constant(scale)});
}

Outcome to_add(Graph& graph, const Rounded& y, const Node& node) {
  Scaling a, b;
  if (std::string reason = read_activation(graph, node.inputs[0], a); !reason.empty()) return reason;
  if (std::string reason = read_activation(graph, node.inputs[1], b); !reason.empty()) return reason;
  const Type &x = graph.type(a.value), &z = graph.type(b.value);
  if (x.rank() != z.rank() || !same_shape(*x.shape, *z.shape)) return "one operand is broadcast";
  QuantizedAdd made;
  set_requantize(made, a, y);
  made.x_scale = a.scale[0], made.b_scale = b.scale[0], made.y_scale = y.to.scale[0];
  made.b_zero = b.zero_point();
  return graph.add1(made, {a.value, b.value});
}

Outcome recognize(Graph& graph, const Match& m, const PassContext&) {
  const Node& quantize = *graph.producer(m.root());
  if (known(graph, quantize.inputs[0]).present()) {
    const std::optional<Tensor> value = computed(graph, m.root(), 1);
    return value ? Outcome(graph.add_constant(*value)) : Outcome::no();
  }
  Rounded y;
  if (std::string reason = read_quantize(graph, m.root(), y); !reason.empty()) return reason;
  const Node* found = graph.producer(y.sum);
  ValueId bias = kAbsent;
  if (found && found->is("add") && graph.single_use(y.sum)) {
    for (size_t i = 0; i < 2; ++i) {
      const Node* product = graph.producer(found->inputs[i]);
      if (!product || !product->is("matmul")) continue;
      y.sum = found->inputs[i];
      bias = found->inputs[1 - i];
      found = product;
      break;
    }
  }
  if (found && found->is("add") && graph.type(y.sum).shape) return to_add(graph, y, Node(*found));
  const bool takes =
      found && (found->is("conv") || found->is("matmul") || found->is("gemm") || found->is("reduce_mean"));
  if (!takes) return Outcome::no();
  if (!graph.single_use(y.sum)) return "its result before rounding is used elsewhere too";
  if (!graph.type(y.sum).shape) return "its rank is unknown";
  const Node node = *found;
  if (node.is("conv")) return to_conv(graph, y, node);
  if (node.is("reduce_mean")) return to_mean(graph, y, node);
  return to_matmul(graph, y, node, bias);
}

}  // namespace

Pass recognize_quantized() {
  return rewrite_pass("recognize_quantized", {{"recognize", node("quantize_linear"), recognize}});
}

}  // namespace mj
