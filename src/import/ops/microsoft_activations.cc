// SPDX-License-Identifier: Apache-2.0
// Activations of domain com.microsoft, which ONNX Runtime's own optimizers write.
#include "import/ops/irregular.h"

namespace mj::onnx {
namespace {

void finish_gelu(NodeImport& node, std::string_view approximate, bool needs_bias) {
  node.inputs_between(needs_bias ? 2 : 1, 2);
  ValueId x = node.in(0);
  if (node.has(1)) {
    const ValueId bias = node.in(1);
    if (node.rank(x) < 1 || node.rank(bias) != 1 ||
        equal(node.type(bias).shape->back(), node.type(x).shape->back()) == Tri::no) {
      return node.fail("its bias must be as long as the last axis of {}, got {}", to_string(node.type(x)),
                       to_string(node.type(bias)));
    }
    x = node.emit(op("add"), {x, bias});
  }
  node.finish(op("gelu", {{0, "approximate", std::string(approximate)}}), {x});
}

}  // namespace

void import_microsoft_gelu(NodeImport& node) {
  node.inputs_between(1, 1);
  node.finish(op("gelu"), {node.in(0)});
}

void import_bias_gelu(NodeImport& node) { finish_gelu(node, "none", true); }
void import_fast_gelu(NodeImport& node) { finish_gelu(node, "tanh", false); }

// x * sigmoid(alpha * x)
void import_quick_gelu(NodeImport& node) {
  node.inputs_between(1, 1);
  const ValueId x = node.in(0);
  const float alpha = node.number("alpha", 1.702f);
  if (alpha == 1) return node.finish(op("silu"), {x});
  const ValueId scaled = node.emit(op("mul"), {x, node.scalar(alpha, node.dtype(x))});
  node.finish(op("mul"), {x, node.emit(op("sigmoid"), {scaled})});
}

}  // namespace mj::onnx
