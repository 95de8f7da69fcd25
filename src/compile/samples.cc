// SPDX-License-Identifier: Apache-2.0
#include "compile/samples.h"

#include <algorithm>
#include <array>
#include <random>

#include "ops/gather.h"

namespace mj {
namespace {

// Operators through which an index passes with its value unchanged.
constexpr std::array<std::string_view, 8> kTransparent = {"identity", "cast",      "reshape", "reshape_to",
                                                          "squeeze",  "unsqueeze", "expand",  "transpose"};

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

Result<std::vector<Tensor>> random_inputs(std::span<const Port> ports, const Bindings& sizes, int64_t default_size,
                                          uint64_t seed) {
  std::vector<Tensor> inputs;
  for (size_t i = 0; i < ports.size(); ++i) {
    const Port& port = ports[i];
    if (!port.type.shape) {
      return model_error("input '{}' has no known rank: give samples for it (--samples)", port.name);
    }
    Bindings bindings = sizes;
    for (const Dim& dim : *port.type.shape) {
      for (const std::string& symbol : dim.symbols()) bindings.try_emplace(symbol, default_size);
    }
    MJ_ASSIGN(std::vector<int64_t> dims, evaluate(*port.type.shape, bindings));
    Tensor tensor = Tensor::zeros(port.type.dtype, std::move(dims));
    Noise noise(seed * 1000003 + i);
    if (port.type.dtype == DType::string) {
      for (std::string& text : tensor.mutable_string_data())
        text = std::string(1, static_cast<char>('a' + noise.below(26)));
    } else {
      dispatch(port.type.dtype, [&]<class T>() {
        for (T& x : tensor.mutable_data<T>()) {
          if constexpr (std::is_integral_v<T>) {
            x = static_cast<T>(noise.below(port.index_limit ? port.index_limit : 2));
          } else {
            x = static_cast<T>(static_cast<float>(noise.normal()));
          }
        }
      });
    }
    inputs.push_back(std::move(tensor));
  }
  return inputs;
}

}  // namespace mj
