// SPDX-License-Identifier: Apache-2.0
// Reduce* with their axes as an attribute (before opset 18, ReduceSum before 13) or as an input; global pools; TopK.
#include <map>
#include <numeric>

#include "import/ops/irregular.h"

namespace mj::onnx {
namespace {

std::string_view reduction(std::string_view onnx_name) {
  static const std::map<std::string_view, std::string_view> kNames = {
      {"ReduceL1", "reduce_l1"},          {"ReduceL2", "reduce_l2"},
      {"ReduceLogSum", "reduce_log_sum"}, {"ReduceLogSumExp", "reduce_log_sum_exp"},
      {"ReduceMax", "reduce_max"},        {"ReduceMean", "reduce_mean"},
      {"ReduceMin", "reduce_min"},        {"ReduceProd", "reduce_prod"},
      {"ReduceSum", "reduce_sum"},        {"ReduceSumSquare", "reduce_sum_square"}};
  return kNames.at(onnx_name);
}

void global_pool(NodeImport& node, std::string_view name) {
  node.inputs_between(1, 1);
  const ValueId x = node.in(0);
  const int64_t rank = node.rank(x);
  if (rank < 3) return node.fail("its input must have at least 3 dims, got {}", to_string(node.type(x)));
  std::vector<int64_t> axes(static_cast<size_t>(rank - 2));
  std::iota(axes.begin(), axes.end(), 2);
  node.finish(op(name, {{0, "axes", axes}, {0, "keepdims", true}}), {x});
}

}  // namespace

void import_reduce(NodeImport& node) {
  const std::string_view name = node.proto.op_type;
  const ValueId x = node.in(0);
  const bool keepdims = node.flag("keepdims", true);
  std::vector<int64_t> axes;
  bool empty_is_nothing = false;
  if (node.opset < (name == "ReduceSum" ? 13 : 18)) {
    node.inputs_between(1, 1);
    axes = node.integers("axes").value_or(axes);
  } else {
    node.inputs_between(1, 2);
    empty_is_nothing = node.flag("noop_with_empty_axes", false);
    if (node.has(1) && !node.graph.value(node.in(1)).info.known_elements()) {
      return node.finish(op("reduce_at", {{0, "reduction", std::string(reduction(name))},
                                          {0, "keepdims", keepdims},
                                          {0, "empty_is_none", empty_is_nothing}}),
                         node.inputs());
    }
    if (node.has(1)) axes = node.known_integers(1, "axes");
  }
  if (axes.empty() && empty_is_nothing) return node.output(0, x);
  if (axes.empty()) {
    axes.resize(static_cast<size_t>(node.rank(x)));
    std::iota(axes.begin(), axes.end(), 0);
  }
  node.finish(op(reduction(name), {{0, "axes", axes}, {0, "keepdims", keepdims}}), {x});
}

void import_global_average_pool(NodeImport& node) { global_pool(node, "reduce_mean"); }
void import_global_max_pool(NodeImport& node) { global_pool(node, "reduce_max"); }

void import_global_lp_pool(NodeImport& node) {
  const int64_t p = node.integer("p", 2);
  if (p != 1 && p != 2) return node.unsupported("p must be 1 or 2, got {}", p);
  global_pool(node, p == 1 ? "reduce_l1" : "reduce_l2");
}

// k: an attribute in opset 1, then an input.
void import_top_k(NodeImport& node) {
  std::vector<ValueId> inputs = node.inputs();
  if (node.opset < 10) {
    node.inputs_between(1, 1);
    const int64_t k[] = {node.integer("k", -1)};
    inputs.push_back(node.integers_constant(k));
  } else {
    node.inputs_between(2, 2);
  }
  node.finish(node.op("topk"), inputs, 2);
}

}  // namespace mj::onnx
