// SPDX-License-Identifier: Apache-2.0
// Conv, ConvTranspose and pools: kernel_shape repeats what the weights say already, and is checked against them.
#include "import/ops/window.h"

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

ValueId convolution(NodeImport& node, std::vector<ValueId> inputs) {
  check_kernel_shape(node, node.in(1));
  return node.emit(node.op("conv"), std::move(inputs));
}

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

// (sum of |x|^p over the window)^(1/p), the sum as an average times the window's size
void import_lp_pool(NodeImport& node) {
  node.inputs_between(1, 1);
  const auto kernel = node.integers("kernel_shape");
  if (!kernel) return node.fail("attribute 'kernel_shape' is missing");
  if (node.integer("ceil_mode", 0) != 0) return node.unsupported("ceil_mode is 1");
  const ValueId x = node.in(0);
  const DType dtype = node.dtype(x);
  const auto p = static_cast<double>(node.integer("p", 2));
  double taps = 1;
  for (int64_t k : *kernel) taps *= static_cast<double>(k);
  const ValueId power = node.emit(op("pow"), {node.emit(op("abs"), {x}), node.scalar(p, dtype)});
  const ValueId mean = node.emit(node.op("average_pool", {{0, "count_include_pad", true}}), {power});
  const ValueId sum = node.emit(op("mul"), {mean, node.scalar(taps, dtype)});
  node.finish(op("pow"), {sum, node.scalar(1 / p, dtype)});
}

void import_max_pool(NodeImport& node) {
  node.inputs_between(1, 1);
  node.outputs_at_most(2);
  node.ignore("storage_order");  // the order of Indices
  node.output(0, node.emit(node.op("max_pool"), {node.in(0)}));
  if (node.wants(1)) node.output(1, node.emit(node.op("max_pool_indices"), {node.in(0)}));
}

// Of images [N,spatial...,C].
void import_nhwc_max_pool(NodeImport& node) {
  node.inputs_between(1, 1);
  node.finish(node.op("max_pool", {{0, "channels_last", true}}), {node.in(0)});
}

}  // namespace mj::onnx
