// SPDX-License-Identifier: Apache-2.0
// Conv, ConvTranspose and pools: kernel_shape repeats what the weights say already, and is checked against them.
#include "import/ops/irregular.h"

namespace mj::onnx {
namespace {

void check_kernel_shape(NodeImport& node, ValueId weights) {
  const auto kernel = node.integers("kernel_shape");
  if (!kernel || node.failed() || !node.type(weights).ranked()) return;
  const Shape& shape = *node.type(weights).shape;
  const bool same_rank = shape.size() == kernel->size() + 2;
  for (size_t i = 0; i < kernel->size(); ++i) {
    if (same_rank && equal(shape[i + 2], Dim((*kernel)[i])) != Tri::no) continue;
    return node.fail("kernel_shape does not fit the weights, which are {}", to_string(node.type(weights)));
  }
}

}  // namespace

void import_conv(NodeImport& node) {
  node.inputs_between(2, 3);
  check_kernel_shape(node, node.in(1));
  node.finish(node.op("conv"), node.inputs());
}

void import_conv_transpose(NodeImport& node) {
  node.inputs_between(2, 3);
  check_kernel_shape(node, node.in(1));
  node.finish(node.op("conv_transpose"), node.inputs());
}

void import_average_pool(NodeImport& node) {
  node.inputs_between(1, 1);
  node.finish(node.op("average_pool"), {node.in(0)});
}

void import_max_pool(NodeImport& node) {
  node.inputs_between(1, 1);
  if (node.wants(1)) return node.unsupported("its output 'Indices' is used");
  node.ignore("storage_order");  // the order of Indices
  node.finish(node.op("max_pool"), {node.in(0)});
}

}  // namespace mj::onnx
