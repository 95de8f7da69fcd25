// SPDX-License-Identifier: Apache-2.0
// RotaryEmbedding of domain com.microsoft, whose tables of cosines and sines have a row for each position.
#include "import/ops/heads.h"
#include "import/ops/irregular.h"

namespace mj::onnx {

// Inputs x [B,S,heads*D] or [B,heads,S,D], positions [B,S] or [1], the first one's, and the tables.
void import_microsoft_rotary_embedding(NodeImport& node) {
  node.inputs_between(4, 4);
  const ValueId x = node.in(0);
  ValueId positions = node.in(1);
  const int64_t rank = node.rank(x), position_rank = node.rank(positions);
  const int64_t dims = node.integer("rotary_embedding_dim", 0);
  int64_t heads = node.integer("num_heads", 0);
  const bool interleaved = node.flag("interleaved", false);
  if (node.flag("is_packed_batching", false)) {
    return node.unsupported("is_packed_batching is 1; export the model with padded batches");
  }
  if (const float scale = node.number("scale", 1); scale != 1) {
    return node.unsupported("scale is {}; multiply its input instead", scale);
  }
  if (node.failed()) return;
  if ((rank != 3 && rank != 4) || position_rank < 1 || position_rank > 2 || node.rank(node.in(2)) != 2) {
    return node.fail("takes x of 3 or 4 dims, positions of 1 or 2 and tables of 2, got {}, {} and {}",
                     to_string(node.type(x)), to_string(node.type(positions)), to_string(node.type(node.in(2))));
  }
  const Dim turned = (*node.type(node.in(2)).shape)[1] * 2;
  if (dims > 0 && equal(turned, dims) == Tri::no) {
    return node.fail("rotary_embedding_dim is {}, but cos_cache turns {} elements", dims, turned);
  }
  if (rank == 3 && heads < 1) {
    if (dims > 0) return node.fail("rotary_embedding_dim needs num_heads");
    const std::optional<int64_t> width = node.type(x).shape->back().constant(), depth = turned.constant();
    if (!width || !depth || *depth < 1 || *width % *depth != 0) {
      return node.fail("num_heads must be given for an input {}", to_string(node.type(x)));
    }
    heads = *width / *depth;
  }
  if (position_rank == 1) {
    if (equal(node.type(positions).shape->front(), 1) == Tri::no) {
      return node.fail("positions must be [B,S] or [1], got {}", to_string(node.type(positions)));
    }
    const ValueId rows = numbers_to(node, size_along(node, x, rank == 4 ? 2 : 1));
    positions = node.emit(op("add"), {rows, positions});
  }
  const ValueId wide = rank == 4 ? heads_swapped(node, x) : with_heads(node, x, heads);
  const ValueId y = rotated(node, wide, node.in(2), node.in(3), positions, interleaved);
  node.outputs_at_most(1);
  node.output(0, rank == 4 ? heads_swapped(node, y) : without_heads(node, y));
}

}  // namespace mj::onnx
