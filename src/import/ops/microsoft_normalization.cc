// SPDX-License-Identifier: Apache-2.0
// Norms of domain com.microsoft: of sums, and of what embeddings add up to.
#include "import/ops/irregular.h"

namespace mj::onnx {
namespace {

// Outputs 1 and 2 of the skip norms: kernels of ONNX Runtime leave them unset.
void refuse_statistics(NodeImport& node) {
  for (size_t i = 1; i < 3; ++i) {
    if (node.wants(i)) {
      return node.unsupported("output {}, of training, is used; export the model for inference", i);
    }
  }
}

// The sum of the node's inputs 0 and 1 and the bias, which is output 3 as well. Input 1 may lack the batch or have 1
// there.
ValueId skip_sum(NodeImport& node, size_t bias) {
  const ValueId x = node.in(0), skip = node.in(1);
  const int64_t rank = node.rank(x), skip_rank = node.rank(skip);
  if (node.failed()) return kAbsent;
  bool fits = (rank == 2 || rank == 3) && skip_rank >= 2 && skip_rank <= rank;
  const Shape &whole = *node.type(x).shape, &part = *node.type(skip).shape;
  for (size_t back = 1; fits && back <= part.size(); ++back) {
    const Dim &of_x = whole[whole.size() - back], &of_skip = part[part.size() - back];
    const bool one_for_all = back == 3 && equal(of_skip, 1) == Tri::yes;
    fits = one_for_all || equal(of_x, of_skip) != Tri::no;
  }
  if (!fits) {
    node.fail("skip must be as its input {} but for the batch, got {}", to_string(node.type(x)),
              to_string(node.type(skip)));
    return kAbsent;
  }
  ValueId sum = node.emit(op("add"), {x, skip});
  if (node.has(bias)) sum = node.emit(op("add"), {sum, node.in(bias)});
  node.output(3, sum);
  return sum;
}

constexpr float kEpsilon = 1e-12f;  // where none is given

}  // namespace

// layer_norm(input + skip + bias) * gamma + beta
void import_skip_layer_normalization(NodeImport& node) {
  node.inputs_between(3, 5);
  node.outputs_at_most(4);
  refuse_statistics(node);
  std::vector<ValueId> inputs{skip_sum(node, 4), node.in(2)};
  if (node.has(3)) inputs.push_back(node.in(3));
  node.output(0, node.emit(op("layer_norm", {{0, "epsilon", node.number("epsilon", kEpsilon)}}), inputs));
}

void import_skip_simplified_layer_normalization(NodeImport& node) {
  node.inputs_between(3, 4);
  node.outputs_at_most(4);
  refuse_statistics(node);
  const Op norm = op("rms_norm", {{0, "epsilon", node.number("epsilon", kEpsilon)}});
  node.output(0, node.emit(norm, {skip_sum(node, 3), node.in(2)}));
}

// Output 1 is 1 / sqrt(mean(x^2) + epsilon), f32 whatever the input is.
void import_simplified_layer_normalization(NodeImport& node) {
  node.inputs_between(2, 2);
  node.outputs_at_most(2);
  const DType stash = node.dtype("stash_type", DType::f32);
  if (stash != DType::f32) return node.unsupported("stash_type must be float, got {}", name(stash));
  if (node.dtype(node.in(0)) != node.dtype(node.in(1))) {
    return node.unsupported("its input and scale must be of one type, got {} and {}", to_string(node.type(node.in(0))),
                            to_string(node.type(node.in(1))));
  }
  node.output(0, node.emit(node.op("rms_norm"), node.inputs()));
  if (!node.wants(1)) return;
  const int64_t rank = node.rank(node.in(0));
  std::vector<int64_t> axes;
  for (int64_t d = node.axis(node.integer("axis", -1), rank); d < rank; ++d) axes.push_back(d);
  const ValueId x = node.emit(op("cast", {{0, "to", DType::f32}}), {node.in(0)});
  const ValueId mean = node.emit(op("reduce_mean", {{0, "axes", axes}}), {node.emit(op("mul"), {x, x})});
  const ValueId sum = node.emit(op("add"), {mean, node.scalar(node.number("epsilon", 1e-5f), DType::f32)});
  node.output(1, node.emit(op("reciprocal"), {node.emit(op("sqrt"), {sum})}));
}

// Inputs ids [B,S], segment ids, the tables of words, positions and segments, gamma, beta, mask [B,S], position ids.
// Outputs the norm, how many of the mask are 1 in each row, and what was normed.
void import_embed_layer_normalization(NodeImport& node) {
  node.inputs_between(7, 9);
  node.outputs_at_most(3);
  node.ignore("mask_index_type");
  const ValueId ids = node.in(0);
  if (node.rank(ids) != 2) return node.fail("its ids must have 2 dims, got {}", to_string(node.type(ids)));
  if (node.has(1) != node.has(4)) return node.fail("segment_ids and segment_embedding come together");
  const auto looked_up = [&](size_t table, ValueId which) {
    return node.emit(op("gather", {{0, "axis", int64_t{0}}}), {node.in(table), which});
  };
  const auto number = [&](int64_t value) { return node.constant(Tensor::scalar(value)); };
  ValueId positions = node.optional(8);
  if (positions == kAbsent) {
    const ValueId length = node.emit(op("gather"), {node.emit(op("shape"), {ids}), number(1)});
    positions = node.emit(op("range"), {number(0), length, number(1)});
  }
  ValueId sum = node.emit(op("add"), {looked_up(2, ids), looked_up(3, positions)});
  if (node.has(1)) sum = node.emit(op("add"), {sum, looked_up(4, node.in(1))});
  const Op norm = op("layer_norm", {{0, "epsilon", node.number("epsilon", kEpsilon)}});
  node.output(0, node.emit(norm, {sum, node.in(5), node.in(6)}));
  node.output(2, sum);
  if (!node.wants(1)) return;
  const std::vector<int64_t> last{1};
  const ValueId counted = node.has(7) ? node.emit(op("equal"), {node.in(7), node.scalar(1, node.dtype(node.in(7)))})
                                      : node.emit(op("less"), {ids, ids});
  const ValueId ones = node.emit(op("cast", {{0, "to", DType::i32}}), {counted});
  node.output(1, node.emit(op("reduce_sum", {{0, "axes", last}, {0, "keepdims", false}}), {ones}));
}

}  // namespace mj::onnx
