// SPDX-License-Identifier: Apache-2.0
// Products and convolutions that ONNX spells in other ways than ours.
#include "import/ops/irregular.h"

namespace mj::onnx {

// Before opset 7 an attribute says whether C is broadcast.
void import_gemm_6(NodeImport& node) {
  node.inputs_between(3, 3);
  node.ignore("broadcast");
  node.finish(node.op("gemm"), node.inputs());
}

void import_linear_attention(NodeImport& node) {
  node.inputs_between(3, 6);
  node.outputs_at_most(2);
  node.ignore("chunk_size");  // of a faster way
  const int64_t heads = node.integer("q_num_heads", 0), kv_heads = node.integer("kv_num_heads", 0);
  node.finish(node.op("linear_attention", {{0, "heads", heads}, {0, "kv_heads", kv_heads}}), node.inputs(), 2);
}

// Each channel of x [B,C,L] with its own filter of k taps that looks back: a convolution of what the state, the last
// k - 1 columns before x, and x are together; zeros where there is no state. The new state is their last k - 1 columns.
void import_causal_conv_with_state(NodeImport& node) {
  node.inputs_between(2, 4);
  node.outputs_at_most(2);
  const ValueId x = node.in(0), w = node.in(1);
  const int64_t rank = node.rank(x);
  if (node.failed() || rank != 3 || node.rank(w) != 3) return node.fail("its inputs must have 3 dims");
  const auto numbers = [&](std::vector<int64_t> values) { return node.integers_constant(values); };
  const auto sizes = [&](ValueId of, int64_t axis) {
    return node.emit(op("shape", {{0, "start", axis}, {0, "end", axis + 1}}), {of});
  };
  const auto joined = [&](std::vector<ValueId> parts, int64_t axis) {
    return node.emit(op("concat", {{0, "axis", axis}}), std::move(parts));
  };
  ValueId before = node.optional(3);
  if (before == kAbsent) {
    const ValueId columns = node.emit(op("sub"), {sizes(w, 2), numbers({1})});
    before = node.emit(op("expand"), {node.scalar(0, node.dtype(x)), joined({sizes(x, 0), sizes(x, 1), columns}, 0)});
  }
  const ValueId all = joined({before, x}, 2);
  ValueId y = kAbsent;
  if (const auto channels = (*node.type(x).shape)[1].constant()) {
    std::vector<ValueId> inputs{all, w};
    if (node.has(2)) inputs.push_back(node.in(2));
    y = node.emit(op("conv", {{0, "group", *channels}}), inputs);
  } else {  // [B,C,L,k] of windows, times [C,1,k]
    const auto count = [&](ValueId of) {
      const ValueId end = node.emit(op("squeeze"), {sizes(of, 2)});
      return node.emit(op("range"),
                       {node.constant(Tensor::scalar<int64_t>(0)), end, node.constant(Tensor::scalar<int64_t>(1))});
    };
    const ValueId starts = node.emit(op("unsqueeze", {{0, "axes", std::vector<int64_t>{1}}}), {count(x)});
    const ValueId places = node.emit(op("add"), {starts, count(w)});
    const ValueId windows = node.emit(op("gather", {{0, "axis", int64_t{2}}}), {all, places});
    const ValueId products = node.emit(op("mul"), {windows, w});
    const std::vector<int64_t> last{-1}, behind{1};
    y = node.emit(op("reduce_sum", {{0, "axes", last}, {0, "keepdims", false}}), {products});
    if (node.has(2)) {
      y = node.emit(op("add"), {y, node.emit(op("unsqueeze", {{0, "axes", behind}}), {node.in(2)})});
    }
  }
  const std::string activation = node.string("activation", "none");
  if (activation == "silu" || activation == "swish") {
    y = node.emit(op("silu"), {y});
  } else if (activation != "none") {
    return node.fail("activation must be none, silu or swish, got '{}'", activation);
  }
  node.output(0, y);
  if (node.wants(1)) node.output(1, node.emit(op("slice"), {all, sizes(x, 2), numbers({INT64_MAX}), numbers({2})}));
}

}  // namespace mj::onnx
