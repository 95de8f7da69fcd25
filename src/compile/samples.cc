// SPDX-License-Identifier: Apache-2.0
#include "compile/samples.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <random>

#include "ops/gather.h"

namespace mj {
namespace {

// Operators through which an index passes with its value unchanged.
constexpr std::array<std::string_view, 8> kTransparent = {"identity", "cast",      "reshape", "reshape_to",
                                                          "squeeze",  "unsqueeze", "expand",  "transpose"};

// How often a loop runs at most where an input says it: enough to see it end, begin and go on.
constexpr int64_t kLoopRuns = 4;

// The smallest size that `value` indexes, or 0.
int64_t limit_of(const Graph& graph, ValueId value, int depth) {
  int64_t limit = 0;
  auto take = [&](int64_t other) { limit = other == 0 ? limit : (limit == 0 ? other : std::min(limit, other)); };
  for (NodeId user : graph.value(value).users) {
    const Node& node = graph.node(user);
    if (const Gather* gather = node.op.get_if<Gather>(); gather && node.inputs[1] == value) {
      const Type& data = graph.type(node.inputs[0]);
      if (!data.shape) continue;
      const int64_t axis = gather->axis < 0 ? gather->axis + data.rank() : gather->axis;
      take((*data.shape)[static_cast<size_t>(axis)].constant().value_or(0));
    } else if (node.is("loop") && node.inputs[0] == value) {
      take(kLoopRuns + 1);
    } else if (depth > 0 && std::find(kTransparent.begin(), kTransparent.end(), node.op.name()) != kTransparent.end() &&
               node.inputs[0] == value && is_integer(graph.type(node.outputs[0]).dtype)) {
      take(limit_of(graph, node.outputs[0], depth - 1));
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

}  // namespace

std::vector<int64_t> index_limits(const Graph& graph) {
  std::vector<int64_t> limits;
  for (ValueId id : graph.inputs) {
    limits.push_back(is_integer(graph.type(id).dtype) ? limit_of(graph, id, 4) : 0);
  }
  return limits;
}

namespace {

Result<Tensor> random_tensor(const Port& port, const Bindings& sizes, int64_t default_size, Noise& noise) {
  const Shape shape = port.type.shape.value_or(Shape{any_dim()});
  Bindings bindings = sizes;
  for (const Dim& dim : shape) {
    for (const std::string& symbol : dim.symbols()) bindings.try_emplace(symbol, default_size);
  }
  MJ_ASSIGN(std::vector<int64_t> dims, evaluate(shape, bindings));
  Tensor tensor = Tensor::zeros(port.type.dtype, std::move(dims));
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
