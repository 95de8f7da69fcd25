// SPDX-License-Identifier: Apache-2.0
// Products and convolutions of domain com.microsoft: with a factor, transposed operands, an activation behind them.
#include <algorithm>

#include "import/ops/irregular.h"
#include "import/ops/window.h"

namespace mj::onnx {
namespace {

struct Activation {
  std::string_view onnx, ours;
  std::vector<std::string_view> fields;  // in the order in which a node gives their numbers
};

const Activation* find_activation(std::string_view name) {
  static const std::vector<Activation> kActivations = {
      {"Relu", "relu", {}},
      {"Tanh", "tanh", {}},
      {"Sigmoid", "sigmoid", {}},
      {"HardSwish", "hard_swish", {}},
      {"Softplus", "softplus", {}},
      {"Softsign", "softsign", {}},
      {"LeakyRelu", "leaky_relu", {"alpha"}},
      {"Elu", "elu", {"alpha"}},
      {"ThresholdedRelu", "thresholded_relu", {"alpha"}},
      {"Clip", "clip", {"min", "max"}},
      {"HardSigmoid", "hard_sigmoid", {"alpha", "beta"}},
  };
  const auto at = std::find_if(kActivations.begin(), kActivations.end(),
                               [&](const Activation& activation) { return activation.onnx == name; });
  return at == kActivations.end() ? nullptr : &*at;
}

// Output 0 is x behind the activation that the node names, or x itself. Numbers that an activation does not have are
// passed over.
void finish_activated(NodeImport& node, ValueId x, const std::vector<float>& numbers) {
  node.outputs_at_most(1);
  const std::string name = node.string("activation", "");
  if (name.empty()) return node.output(0, x);
  const Activation* activation = find_activation(name);
  if (activation == nullptr) {
    return node.unsupported("activation '{}' is not known; compile the model as it was before ONNX Runtime fused it",
                            name);
  }
  if (numbers.size() < activation->fields.size()) {
    return node.fail("activation {} needs {} numbers, got {}", name, activation->fields.size(), numbers.size());
  }
  std::vector<NamedField> fields;
  for (size_t i = 0; i < activation->fields.size(); ++i) fields.push_back({0, activation->fields[i], numbers[i]});
  node.output(0, node.emit(node.take(make_op(activation->ours, fields), op("relu")), {x}));
}

// For `batch` the first dim goes before the last, and what stood there before it goes one to the front.
ValueId turned(NodeImport& node, ValueId x, bool batch, bool last_two) {
  const int64_t rank = node.rank(x);
  if (node.failed() || (batch && rank < 3)) {
    node.fail("transBatchA and transBatchB need 3 dims or more, got {}", to_string(node.type(x)));
    return kAbsent;
  }
  if (rank < 2 || (!batch && !last_two)) return x;
  std::vector<int64_t> perm(static_cast<size_t>(rank));
  for (size_t d = 0; d < perm.size(); ++d) perm[d] = static_cast<int64_t>(d);
  if (batch) std::rotate(perm.begin(), perm.begin() + 1, perm.end() - 1);
  if (last_two) std::swap(perm[perm.size() - 2], perm[perm.size() - 1]);
  return node.emit(op("transpose", {{0, "perm", perm}}), {x});
}

}  // namespace

// activation(conv(x, w, b) + z)
void import_fused_conv(NodeImport& node) {
  node.inputs_between(2, 4);
  std::vector<ValueId> inputs{node.in(0), node.in(1)};
  if (node.has(2)) inputs.push_back(node.in(2));
  ValueId y = convolution(node, inputs);
  if (node.has(3)) y = node.emit(op("add"), {y, node.in(3)});
  finish_activated(node, y, node.numbers("activation_params").value_or(std::vector<float>()));
}

void import_fused_gemm(NodeImport& node) {
  node.inputs_between(2, 3);
  std::vector<float> numbers;
  for (const char* name : {"activation_alpha", "activation_beta", "activation_gamma"}) {
    if (!node.has_attribute(name)) break;
    numbers.push_back(node.number(name, 0));
  }
  finish_activated(node, node.emit(node.op("gemm"), node.inputs()), numbers);
}

void import_fused_matmul(NodeImport& node) {
  node.inputs_between(2, 2);
  const ValueId a = turned(node, node.in(0), node.flag("transBatchA", false), node.flag("transA", false));
  const ValueId b = turned(node, node.in(1), node.flag("transBatchB", false), node.flag("transB", false));
  const float alpha = node.number("alpha", 1);
  if (alpha == 1) return node.finish(op("matmul"), {a, b});
  const ValueId product = node.emit(op("matmul"), {a, b});
  node.finish(op("mul"), {product, node.scalar(alpha, node.dtype(product))});
}

}  // namespace mj::onnx
