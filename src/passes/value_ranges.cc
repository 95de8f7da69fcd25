// SPDX-License-Identifier: Apache-2.0
#include "passes/value_ranges.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "ops/clip.h"
#include "ops/constant.h"

namespace mj {
namespace {

using Args = std::span<const Range>;

double largest(const Range& x) { return std::max(std::abs(x.low), std::abs(x.high)); }
Range span_of(double low, double high) { return {low, high}; }
Range hull(const Range& x, const Range& y) { return span_of(std::min(x.low, y.low), std::max(x.high, y.high)); }

Range of_corners(const Range& x, const Range& y, double (*f)(double, double)) {
  const std::array corners = {f(x.low, y.low), f(x.low, y.high), f(x.high, y.low), f(x.high, y.high)};
  const auto [low, high] = std::minmax_element(corners.begin(), corners.end());
  return span_of(*low, *high);
}

// By a number that may be 0, or as small as nobody knows, x of ordinary size stays of that size.
Range ratio(const Range& x, const Range& y) {
  if (y.known && (y.low > 0 || y.high < 0)) return of_corners(x, y, [](double a, double b) { return a / b; });
  const double size = std::max(1.0, largest(x));
  return {-size, size};
}

// What an operator makes of ranges; what is known and what counts is seen to for all of them.
struct Rule {
  std::string_view op;
  Range (*apply)(Args);
};
constexpr std::array kRules = {
    Rule{"add", [](Args x) { return span_of(x[0].low + x[1].low, x[0].high + x[1].high); }},
    Rule{"sub", [](Args x) { return span_of(x[0].low - x[1].high, x[0].high - x[1].low); }},
    Rule{"mul", [](Args x) { return of_corners(x[0], x[1], [](double a, double b) { return a * b; }); }},
    Rule{"div", [](Args x) { return ratio(x[0], x[1]); }},
    Rule{"min", [](Args x) { return span_of(std::min(x[0].low, x[1].low), std::min(x[0].high, x[1].high)); }},
    Rule{"max", [](Args x) { return span_of(std::max(x[0].low, x[1].low), std::max(x[0].high, x[1].high)); }},
    Rule{"where", [](Args x) { return hull(x[1], x[2]); }},
    Rule{"neg", [](Args x) { return span_of(-x[0].high, -x[0].low); }},
    Rule{"abs", [](Args x) { return span_of(0, largest(x[0])); }},
    Rule{"relu", [](Args x) { return span_of(std::max(0.0, x[0].low), std::max(0.0, x[0].high)); }},
    Rule{"identity", [](Args x) { return x[0]; }},
    Rule{"cast", [](Args x) { return x[0]; }},
    Rule{"floor", [](Args x) { return span_of(std::floor(x[0].low), std::floor(x[0].high)); }},
    Rule{"ceil", [](Args x) { return span_of(std::ceil(x[0].low), std::ceil(x[0].high)); }},
    Rule{"round", [](Args x) { return span_of(std::floor(x[0].low), std::ceil(x[0].high)); }},
};

// Those whose results lie in [-1, 1] whatever comes in.
constexpr std::array<std::string_view, 8> kBounded = {"sigmoid", "hard_sigmoid", "tanh", "erf",
                                                      "sin",     "cos",          "sign", "softsign"};
// Those whose results are elements of their inputs.
constexpr std::array<std::string_view, 20> kKept = {
    "transpose", "reshape",    "reshape_to", "squeeze",        "unsqueeze",      "concat",         "slice",
    "slice_to",  "split",      "gather",     "expand",         "expand_to",      "tile",           "max_pool",
    "gather_nd", "reduce_max", "reduce_min", "depth_to_space", "space_to_depth", "gather_elements"};

template <size_t N>
bool among(const std::array<std::string_view, N>& names, const Op& op) {
  return std::find(names.begin(), names.end(), op.name()) != names.end();
}

Range of_type(DType dtype) {
  if (dtype == DType::boolean) return {0, 1, true};
  if (!is_integer(dtype) || bits(dtype) > 8) return {};
  const double span = std::ldexp(1.0, static_cast<int>(bits(dtype)));
  return is_signed(dtype) ? Range{-span / 2, span / 2 - 1, true} : Range{0, span - 1, true};
}

Range of_constant(const Tensor& tensor) {
  if (tensor.dtype() == DType::string || tensor.size() == 0) return {0, 0, true};
  double low = std::numeric_limits<double>::infinity(), high = -low;
  const auto take = [&](const auto& elements) {
    for (const double x : elements) {
      if (!std::isfinite(x)) continue;
      low = std::min(low, x);
      high = std::max(high, x);
    }
  };
  tensor.dtype() == DType::f32 ? take(tensor.data<float>()) : take(tensor.to_f64());
  return low <= high ? Range{low, high, true} : Range{0, 0, true};
}

// The whole numbers up to this one are all there.
double last_whole(DType dtype) { return dtype == DType::f16 ? 2048 : 256; }

float rounded(double x, DType dtype) {
  const auto value = static_cast<float>(x);
  return dtype == DType::f16 ? static_cast<float>(F16(value)) : static_cast<float>(Bf16(value));
}

bool counts_or_known(const Range& x) { return x.counts || x.known; }

// Does a result of these count? One of them does, and nothing else is in it but constants.
bool counting(Args inputs) {
  return std::any_of(inputs.begin(), inputs.end(), [](const Range& x) { return x.counts; }) &&
         std::all_of(inputs.begin(), inputs.end(), counts_or_known);
}

}  // namespace

std::string why_unfit(const Range& range, DType dtype) {
  if (range.counts) {
    return fmt::format("counts, and {} has all whole numbers up to {} only", name(dtype), last_whole(dtype));
  }
  for (const double bound : {range.low, range.high}) {
    if (!std::isfinite(rounded(bound, dtype))) return fmt::format("holds {:.3g}, too large for {}", bound, name(dtype));
  }
  return "";
}

ValueRanges::ValueRanges(const Graph& graph, DType dtype) : graph_(graph), dtype_(dtype) {
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    const Value& value = graph.value(id);
    const bool used = !value.users.empty() && value.type().is_tensor();
    ranges_.push_back(value.is_constant() && used ? of_constant(value.info.constant) : of_type(value.type().dtype));
  }
  for (const NodeId id : graph.order()) {
    if (graph.node(id).regions.empty()) infer(graph.node(id));
  }
}

void ValueRanges::infer(const Node& node) {
  std::vector<Range> inputs;
  for (const ValueId id : node.inputs) inputs.push_back(id == kAbsent ? Range{0, 0, true} : (*this)[id]);
  std::vector<Range> results;
  if (!node.op) {
    results = of_body(node.epilogue, std::move(inputs));
  } else if (node.is_pointwise()) {
    // Of `where` the first operand is the condition.
    const DType from = graph_.type(node.inputs.back()).dtype;
    results = {of_pointwise(node.op, inputs, from, graph_.type(node.outputs[0]).dtype)};
  } else if (node.epilogue.empty()) {
    results.assign(node.outputs.size(), of_anchor(node, inputs));
  } else {
    const auto own = static_cast<size_t>(node.anchor_inputs);
    std::vector<Range> params = {of_anchor(node, std::span(inputs).first(own))};
    params.insert(params.end(), inputs.begin() + node.anchor_inputs, inputs.end());
    results = of_body(node.epilogue, std::move(params));
  }
  for (size_t i = 0; i < node.outputs.size(); ++i) ranges_[static_cast<size_t>(node.outputs[i])] = results[i];
}

Range ValueRanges::of_anchor(const Node& node, Args inputs) const {
  const Op& op = node.op;
  if (op.is("softmax")) return {0, 1, true};
  if (op.is("range") || op.is("iota") || op.is("cum_sum")) return {-1, 1, false, true};
  const DType dtype = graph_.type(node.outputs[0]).dtype;
  Range all = of_type(dtype);
  // Sums of products: how large they are is nobody's guess, but those of positions are positions.
  if (op.is("matmul") || op.is("gemm")) all.counts = is_float(dtype) && counting(inputs);
  const bool pads = op.is("pad"), averages = op.is("average_pool");
  if (!among(kKept, op) && !pads && !averages) return all;
  std::vector<Range> data;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const ValueId id = node.inputs[i];
    if (id != kAbsent && graph_.type(id).dtype == dtype && (i == 0 || op.is("concat") || (pads && i == 2))) {
      data.push_back(inputs[i]);
    }
  }
  if (data.empty()) return all;
  if (pads || averages) data.push_back({0, 0, true});
  all = data[0];
  for (const Range& each : data) all = hull(all, each);
  all.known = std::all_of(data.begin(), data.end(), [](const Range& x) { return x.known; });
  all.counts = counting(data);
  return all;
}

Range ValueRanges::of_pointwise(const Op& op, Args args, DType from, DType to) const {
  if (to == DType::boolean || among(kBounded, op)) return {to == DType::boolean ? 0.0 : -1.0, 1, true};
  const auto rule = std::find_if(kRules.begin(), kRules.end(), [&](const Rule& r) { return op.is(r.op); });
  Range result = of_type(to);
  if (const Clip* clip = op.get_if<Clip>()) {
    const double low = clip->min, high = clip->max;
    result =
        span_of(std::clamp(args[0].low, low, std::max(low, high)), std::clamp(args[0].high, low, std::max(low, high)));
  } else if (rule != kRules.end()) {
    result = rule->apply(args);
  } else {
    return result;
  }
  if (op.is("where")) args = args.subspan(1);
  result.known = std::all_of(args.begin(), args.end(), [](const Range& x) { return x.known; });
  result.counts = counting(args);
  if (op.is("cast") && is_integer(from) && is_float(to)) {
    result.counts = !result.known || largest(result) > last_whole(dtype_);
  }
  return result;
}

std::vector<Range> ValueRanges::of_body(const Body& body, std::vector<Range> values) const {
  for (const BodyInstruction& instruction : body.instructions) {
    if (const Constant* constant = instruction.op.get_if<Constant>()) {
      values.push_back(of_constant(constant->value));
      continue;
    }
    std::vector<Range> args;
    for (const int arg : instruction.args) args.push_back(values[static_cast<size_t>(arg)]);
    values.push_back(of_pointwise(instruction.op, args, body.dtype(instruction.args.back()), instruction.dtype));
  }
  std::vector<Range> results;
  for (const int result : body.results) results.push_back(values[static_cast<size_t>(result)]);
  return results;
}

}  // namespace mj
