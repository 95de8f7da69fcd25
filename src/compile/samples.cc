// SPDX-License-Identifier: Apache-2.0
#include "compile/samples.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <new>
#include <random>

#include "base/checked.h"

namespace mj {
namespace {

// Operators through which an index passes with its value unchanged, from the first input.
constexpr std::array<std::string_view, 18> kTransparent = {
    "identity", "cast",      "reshape", "reshape_to", "squeeze", "squeeze_at", "unsqueeze", "unsqueeze_at", "transpose",
    "expand",   "expand_to", "slice",   "slice_to",   "split",   "split_at",   "tile",      "sub",          "abs"};
// The same from any input.
constexpr std::array<std::string_view, 3> kJoining = {"concat", "where", "min"};

// Operators with an input of places in another.
struct Indexing {
  std::string_view op;
  size_t data, places;
};
constexpr std::array<Indexing, 7> kIndexing = {{{"gather", 0, 1},
                                                {"gather_elements", 0, 1},
                                                {"gather_nd", 0, 1},
                                                {"scatter_elements", 0, 1},
                                                {"scatter_nd", 0, 1},
                                                {"tensor_scatter", 0, 2},
                                                {"roi_align", 0, 2}}};

// How often a loop runs at most where an input says it: enough to see it end, begin and go on.
constexpr int64_t kLoopRuns = 4;

bool among(std::span<const std::string_view> names, const Node& node) {
  return std::find(names.begin(), names.end(), node.op.name()) != names.end();
}

int64_t number_of(const Node& node, std::string_view field) {
  for (const NamedField& each : node.op.fields()) {
    if (each.name == field) return std::get<int64_t>(each.value);
  }
  return 0;
}

// The smallest size that a place may have, at these sizes; 1 where they do not say, as the first place is there in all
// that is not empty.
int64_t limit_at(const Graph& graph, const Node& node, const Indexing& indexing, const Bindings& sizes) {
  const Type &data = graph.type(node.inputs[indexing.data]), &places = graph.type(node.inputs[indexing.places]);
  if (!data.shape || !places.shape) return 1;
  const int64_t axis = number_of(node, "axis"), batches = number_of(node, "batch_dims");
  const bool rows = node.is("gather_nd") || node.is("scatter_nd");
  const int64_t depth = !rows ? 1 : places.shape->empty() ? 0 : places.shape->back().constant().value_or(data.rank());
  const int64_t first = axis < 0 ? axis + data.rank() : axis + batches, end = std::min(first + depth, data.rank());
  int64_t limit = std::numeric_limits<int64_t>::max();
  for (int64_t d = first; d < end; ++d) {
    Dim room = (*data.shape)[static_cast<size_t>(d)];
    // Where an update begins must leave it room.
    if (node.is("tensor_scatter")) room = room - graph.shape(node.inputs[1])[static_cast<size_t>(d)] + Dim(1);
    const Result<int64_t> size = room.evaluate(sizes);
    limit = std::min(limit, size.ok() ? std::max<int64_t>(*size, 1) : 1);
  }
  return limit;
}

// The largest element of a constant of integers.
std::optional<int64_t> largest(const Graph& graph, ValueId id) {
  const Tensor& constant = graph.value(id).info.constant;
  if (!constant.present() || constant.size() == 0 || !is_integer(constant.dtype())) return std::nullopt;
  const std::vector<int64_t> values = constant.to_i64();
  return *std::max_element(values.begin(), values.end());
}

// The smallest size that `value` indexes, or 0.
int64_t limit_of(const Graph& graph, ValueId value, const Bindings& sizes, int depth) {
  int64_t limit = 0;
  auto take = [&](int64_t other) { limit = other == 0 ? limit : (limit == 0 ? other : std::min(limit, other)); };
  for (NodeId user : graph.value(value).users) {
    const Node& node = graph.node(user);
    const std::vector<ValueId>& in = node.inputs;
    for (const Indexing& indexing : kIndexing) {
      if (!node.is(indexing.op) || indexing.places >= in.size() || in[indexing.places] != value) continue;
      take(limit_at(graph, node, indexing, sizes));
    }
    if (node.is("loop") && in[0] == value) take(kLoopRuns + 1);
    if (depth == 0) continue;
    // Input i of a region is input i + 1 of the node; a loop's first is the iteration.
    for (const Graph& region : node.regions) {
      for (size_t i = node.is("loop") ? 2 : 1; i < in.size(); ++i) {
        if (in[i] == value) take(limit_of(region, region.inputs[i - 1], sizes, depth - 1));
      }
    }
    if (!node.regions.empty() || !is_integer(graph.type(node.outputs[0]).dtype)) continue;
    if (among(kJoining, node) || (among(kTransparent, node) && in[0] == value)) {
      for (ValueId output : node.outputs) take(limit_of(graph, output, sizes, depth - 1));
    } else if (node.is("add") && in.size() == 2) {
      const std::optional<int64_t> added = largest(graph, in[0] == value ? in[1] : in[0]);
      const int64_t behind = limit_of(graph, node.outputs[0], sizes, depth - 1);
      // Of two that are not known, each gets half.
      if (behind > 0) take(std::max<int64_t>(1, added ? behind - *added : (behind + 1) / 2));
    }
  }
  return limit;
}

// The same numbers on every standard library, unlike std::normal_distribution.
class Noise {
 public:
  explicit Noise(uint64_t seed) : random_(seed) {}
  double uniform() { return static_cast<double>(random_() >> 11) * 0x1p-53; }
  double normal() {  // sum of twelve uniforms: close enough to a bell, and the same everywhere
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += uniform();
    return sum;
  }
  int64_t below(int64_t limit) { return static_cast<int64_t>(uniform() * static_cast<double>(limit)); }

 private:
  std::mt19937_64 random_;
};

// Odd ones and small ones first, since the reference is slow.
constexpr std::array<int64_t, 7> kTrialLengths = {19, 32, 48, 64, 128, 224, 1024};

}  // namespace

Bindings sizes_at(std::span<const Port> inputs, int64_t batch, int64_t length) {
  Bindings sizes;
  for (const Port& port : inputs) {
    const Type& type = port.type;
    for (size_t i = 0; type.is_tensor() && type.shape && i < type.shape->size(); ++i) {
      for (const std::string& symbol : (*type.shape)[i].symbols()) sizes.try_emplace(symbol, i == 0 ? batch : length);
    }
  }
  return sizes;
}

namespace {

// Of all inputs at these sizes; more than there can be where they do not say.
int64_t bytes_at(std::span<const Port> inputs, const Bindings& sizes) {
  int64_t sum = 0;
  for (const Port& port : inputs) {
    if (!port.type.is_tensor() || !port.type.shape) continue;
    const Result<std::vector<int64_t>> dims = evaluate(*port.type.shape, sizes);
    const Result<int64_t> bytes = dims.ok() ? tensor_bytes(port.type.dtype, *dims) : dims.error();
    if (!bytes.ok() || __builtin_add_overflow(sum, *bytes, &sum)) return INT64_MAX;
  }
  return sum;
}

}  // namespace

// With four symbols to an input, long ones are more than all memory.
std::vector<TrialSizes> trial_sizes(std::span<const Port> inputs, std::initializer_list<int64_t> batches) {
  constexpr int64_t kMostBytes = int64_t{1} << 24;
  std::vector<TrialSizes> trials;
  const auto add = [&](int64_t batch, int64_t length) {
    Bindings sizes = sizes_at(inputs, batch, length);
    if (length > kTrialLengths[0] && bytes_at(inputs, sizes) > kMostBytes) return;
    trials.push_back({std::move(sizes), length});
  };
  for (const int64_t length : kTrialLengths) {
    for (const int64_t batch : batches) add(batch, length);
    add(length, length);
  }
  return trials;
}

std::vector<int64_t> index_limits(const Graph& graph, const Bindings& sizes) {
  std::vector<int64_t> limits;
  for (ValueId id : graph.inputs) {
    limits.push_back(is_integer(graph.type(id).dtype) ? limit_of(graph, id, sizes, 6) : 0);
  }
  return limits;
}

namespace {

Result<Tensor> zeros_of(const Port& port, std::vector<int64_t> dims) {
  const auto named = [&](const Error& why) { return why.in(fmt::format("input '{}'", port.name)); };
  const Result<int64_t> bytes = tensor_bytes(port.type.dtype, dims);
  if (!bytes.ok()) return named(bytes.error());
  try {
    return Tensor::zeros(port.type.dtype, std::move(dims));
  } catch (const std::bad_alloc&) {
    return named(error(ErrorCode::environment, "out of memory: {} bytes; give smaller shapes, or more memory", *bytes));
  }
}

Result<Tensor> random_tensor(const Port& port, const Bindings& sizes, int64_t default_size, Noise& noise) {
  const Shape shape = port.type.shape.value_or(Shape{any_dim()});
  Bindings bindings = sizes;
  for (const Dim& dim : shape) {
    for (const std::string& symbol : dim.symbols()) bindings.try_emplace(symbol, default_size);
  }
  MJ_ASSIGN(std::vector<int64_t> dims, evaluate(shape, bindings));
  MJ_ASSIGN(Tensor tensor, zeros_of(port, std::move(dims)));
  if (port.type.dtype == DType::string) {
    // Digits, as they may be read as numbers.
    for (std::string& text : tensor.mutable_string_data()) text = std::to_string(noise.below(10));
    return tensor;
  }
  const DType dtype = port.type.dtype;
  const int64_t value_bits = bits(dtype) - (is_signed(dtype) ? 1 : 0);
  const int64_t wanted = port.index_limit ? port.index_limit : 2;
  const int64_t limit = value_bits < 63 ? std::min(wanted, int64_t{1} << value_bits) : wanted;
  dispatch(dtype, [&]<class T>() {
    for (T& x : tensor.mutable_data<T>()) {
      if constexpr (std::is_integral_v<T>) {
        x = static_cast<T>(noise.below(limit));
      } else {
        const double value = noise.normal();
        x = static_cast<T>(static_cast<float>(is_signed(dtype) ? value : std::fabs(value)));
      }
    }
  });
  return tensor;
}

}  // namespace

Result<std::vector<Tensor>> random_inputs(std::span<const Port> ports, const Bindings& sizes, int64_t default_size,
                                          uint64_t seed) {
  constexpr int kItems = 3;
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < ports.size(); ++i) {
    Noise noise(seed * 1000003 + i);
    const bool is_sequence = ports[i].type.required().is_sequence();
    std::vector<Tensor> items;
    for (int n = 0; n < (is_sequence ? kItems : 1); ++n) {
      MJ_ASSIGN(items.emplace_back(), random_tensor(ports[i], sizes, default_size, noise));
    }
    inputs.push_back(is_sequence ? Tensor::sequence(ports[i].type.dtype, std::move(items)) : items[0]);
  }
  return inputs;
}

std::vector<std::pair<std::string, Tensor>> to_arrays(const Port& port, const Tensor& value) {
  std::vector<std::pair<std::string, Tensor>> arrays;
  if (!value.present()) return arrays;
  if (!value.is_sequence()) return {{port.name, value}};
  for (const Tensor& item : value.items()) arrays.emplace_back(fmt::format("{}.{}", port.name, arrays.size()), item);
  if (arrays.empty() && port.type.is_optional()) arrays.emplace_back(port.name, Tensor::zeros(value.dtype(), {0}));
  return arrays;
}

const Port* port_of(std::span<const Port> ports, std::string_view array) {
  for (const Port& port : ports) {
    if (port.name == array) return &port;
  }
  for (const Port& port : ports) {
    if (!port.type.required().is_sequence() || !array.starts_with(port.name + ".")) continue;
    const std::string_view number = array.substr(port.name.size() + 1);
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    if (!number.empty() && std::all_of(number.begin(), number.end(), is_digit)) return &port;
  }
  return nullptr;
}

Result<std::vector<Tensor>> take_values(std::span<const Port> ports, NamedTensors& arrays, std::string_view source) {
  const auto take = [&](const Port& port, const std::string& name) -> Result<Tensor> {
    const auto at = arrays.find(name);
    if (at == arrays.end() || port_of(ports, name) != &port) return Tensor();
    Tensor tensor = std::move(at->second);
    arrays.erase(at);
    if (tensor.dtype() == port.type.dtype) return tensor;
    return error(ErrorCode::usage, "{}: '{}' is {}, expected {}", source, name, mj::name(tensor.dtype()),
                 to_string(port.type));
  };
  std::vector<Tensor> values;
  for (const Port& port : ports) {
    MJ_ASSIGN(Tensor own, take(port, port.name));
    if (!port.type.required().is_sequence()) {
      if (!own.present() && !port.type.is_optional()) {
        std::string names;
        for (const Port& each : ports) {
          names += fmt::format("{}'{}' {}", names.empty() ? "" : ", ", each.name, to_string(each.type));
        }
        return error(ErrorCode::usage, "{}: no array for input '{}' ({}); the inputs are: {}", source, port.name,
                     to_string(port.type), names);
      }
      values.push_back(std::move(own));
      continue;
    }
    std::vector<Tensor> items;
    for (;;) {
      MJ_ASSIGN(Tensor item, take(port, fmt::format("{}.{}", port.name, items.size())));
      if (!item.present()) break;
      items.push_back(std::move(item));
    }
    if (own.size() > 0 || (own.present() && !items.empty())) {
      return error(ErrorCode::usage, "{}: '{}' is {}: its tensors are the arrays '{}.0', '{}.1', ...", source,
                   port.name, to_string(port.type), port.name, port.name);
    }
    const bool there = own.present() || !items.empty() || !port.type.is_optional();
    values.push_back(there ? Tensor::sequence(port.type.dtype, std::move(items)) : Tensor());
  }
  return values;
}

}  // namespace mj
