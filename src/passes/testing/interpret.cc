// SPDX-License-Identifier: Apache-2.0
#include "passes/testing/interpret.h"

#include <fmt/format.h>

#include <cmath>
#include <random>

#include "base/shape.h"

namespace mj::testing {
namespace {

Result<std::vector<Tensor>> run_node(const Node& node, std::span<const Tensor> inputs, const Bindings& bindings) {
  if (node.is("if")) {
    const Graph& region = node.regions[inputs[0].data<bool>()[0] ? 0 : 1];
    return interpret(region, inputs.subspan(1), bindings);
  }
  if (!node.op) return evaluate(node.epilogue, inputs);
  const Op op = node.op.info().bind ? node.op.info().bind(node.op.raw(), bindings) : node.op;
  if (node.epilogue.empty()) return evaluate(op, inputs, static_cast<int>(node.outputs.size()));
  const auto anchor = static_cast<size_t>(node.anchor_inputs);
  MJ_ASSIGN(std::vector<Tensor> params, evaluate(op, inputs.first(anchor), 1));
  params.insert(params.end(), inputs.begin() + node.anchor_inputs, inputs.end());
  return evaluate(node.epilogue, params);
}

Tensor random_tensor(const Type& type, const Bindings& bindings, std::mt19937& random) {
  const Result<std::vector<int64_t>> dims = evaluate(*type.shape, bindings);
  Tensor tensor = Tensor::zeros(type.dtype, *dims);
  std::normal_distribution<float> normal;
  dispatch(type.dtype, [&]<class T>() {
    for (int64_t i = 0; i < tensor.size(); ++i) {
      T& out = static_cast<T*>(tensor.mutable_raw())[i];
      if constexpr (std::is_integral_v<T>) {
        out = static_cast<T>(random() % 2);
      } else {
        out = T(normal(random));
      }
    }
  });
  return tensor;
}

// Dimensions that only running tells are symbols from then on.
void bind_new_symbols(const Type& type, const Tensor& result, Bindings& bindings) {
  for (size_t d = 0; type.shape && d < type.shape->size(); ++d) {
    if (const auto symbol = (*type.shape)[d].symbol_name()) bindings.emplace(*symbol, result.dims()[d]);
  }
}

std::string compare(const Tensor& a, const Tensor& b, double tolerance) {
  if (a.dtype() != b.dtype() || a.dims() != b.dims()) return to_string(a, 0) + " and " + to_string(b, 0);
  if (!is_float(a.dtype())) return identical(a, b) ? "" : to_string(a) + " and " + to_string(b);
  const std::vector<double> x = a.to_f64(), y = b.to_f64();
  for (size_t i = 0; i < x.size(); ++i) {
    const bool same = x[i] == y[i] || (std::isnan(x[i]) && std::isnan(y[i]));
    if (!same && !(std::abs(x[i] - y[i]) <= tolerance * (1 + std::abs(x[i])))) {
      return fmt::format("element {}: {} and {}", i, x[i], y[i]);
    }
  }
  return "";
}

}  // namespace

Result<std::vector<Tensor>> interpret(const Graph& graph, std::span<const Tensor> inputs, const Bindings& outer) {
  Bindings bindings = outer;
  std::vector<Tensor> values(static_cast<size_t>(graph.value_count()));
  for (ValueId id = 0; id < graph.value_count(); ++id) {
    values[static_cast<size_t>(id)] = graph.value(id).info.constant;
  }
  for (size_t i = 0; i < inputs.size(); ++i) values[static_cast<size_t>(graph.inputs[i])] = inputs[i];
  for (NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    std::vector<Tensor> args;
    for (ValueId input : node.inputs) args.push_back(input == kAbsent ? Tensor() : values[static_cast<size_t>(input)]);
    Result<std::vector<Tensor>> results = run_node(node, args, bindings);
    if (!results.ok()) return results.error().in(graph.value(node.outputs[0]).name);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      bind_new_symbols(graph.type(node.outputs[i]), (*results)[i], bindings);
      values[static_cast<size_t>(node.outputs[i])] = std::move((*results)[i]);
    }
  }
  std::vector<Tensor> outputs;
  for (ValueId id : graph.outputs) outputs.push_back(values[static_cast<size_t>(id)]);
  return outputs;
}

std::string difference(const Graph& a, const Graph& b, double tolerance) {
  std::mt19937 random(1);
  Bindings bindings;
  std::vector<Tensor> inputs;
  int64_t next = 2;
  for (ValueId id : a.inputs) {
    const Type& type = a.type(id);
    if (!type.shape || type.kind != Type::Kind::tensor || type.dtype == DType::string) return "";
    for (const Dim& dim : *type.shape) {
      for (const std::string& symbol : dim.symbols()) {
        if (bindings.emplace(symbol, next).second) ++next;
      }
    }
    inputs.push_back(random_tensor(type, bindings, random));
  }
  const Result<std::vector<Tensor>> x = interpret(a, inputs, bindings), y = interpret(b, inputs, bindings);
  if (!x.ok()) return "before: " + x.error().message;
  if (!y.ok()) return "after: " + y.error().message;
  for (size_t i = 0; i < x->size(); ++i) {
    if (std::string wrong = compare((*x)[i], (*y)[i], tolerance); !wrong.empty())
      return fmt::format("output {}: {}", i, wrong);
  }
  return "";
}

}  // namespace mj::testing
