// SPDX-License-Identifier: Apache-2.0
// conv{channels_last}(x[N,...,C], w[M,C,...])  =>  conv(pad(x), pad(w))      C odd, 16-bit elements, one group
//
// Tensor cores' operands are fetched 4 bytes or more at a time, which pixels of three channels do not allow: the stem
// of a network that sees colours. Channels are filled up with zeros, to 4 or else to a multiple of 8.
#include <cstring>

#include "ops/conv.h"
#include "ops/pad.h"
#include "passes/edit.h"
#include "passes/passes.h"

namespace mj {
namespace {

// [M,C,rest] with `channels` in place of C.
Tensor filled_up(const Tensor& w, int64_t channels) {
  std::vector<int64_t> dims = w.dims();
  const int64_t had = dims[1], outputs = dims[0];
  dims[1] = channels;
  Tensor padded = Tensor::zeros(w.dtype(), dims);
  const int64_t from_bytes = w.bytes() / outputs, to_bytes = from_bytes / had * channels;
  for (int64_t o = 0; o < outputs; ++o) {
    std::memcpy(static_cast<std::byte*>(padded.mutable_raw()) + o * to_bytes,
                static_cast<const std::byte*>(w.raw()) + o * from_bytes, static_cast<size_t>(from_bytes));
  }
  return padded;
}

bool pad_one(Graph& graph, NodeId id) {
  const Node node = graph.node(id);
  const Conv* conv = node.op ? node.op.get_if<Conv>() : nullptr;
  if (!conv || !conv->channels_last || conv->group != 1) return false;
  const ValueId x = node.inputs[0], w = node.inputs[1];
  const Type& type = graph.type(x);
  if ((type.dtype != DType::f16 && type.dtype != DType::bf16) || !graph.value(w).is_constant()) return false;
  const Tensor weights = graph.value(w).info.constant;
  const int64_t channels = weights.dims()[1];
  if (channels % 2 == 0 || weights.size() == 0) return false;
  const int64_t wanted = channels < 4 ? 4 : (channels + 7) / 8 * 8;
  std::vector<int64_t> pads(static_cast<size_t>(2 * type.rank()));
  pads.back() = wanted - channels;
  const ValueId amounts = graph.add_constant(Tensor::of<int64_t>({2 * type.rank()}, pads));
  graph.replace_input(id, 0, graph.add1(Pad{}, {x, amounts}, node.origin));
  graph.replace_input(id, 1, graph.add_constant(filled_up(weights, wanted)));
  return true;
}

}  // namespace

Pass pad_channels() {
  return {"pad_channels", [](Graph& graph, const PassContext&) -> Result<bool> {
            bool changed = false;
            for (const NodeId id : graph.order()) changed |= pad_one(graph, id);
            return changed;
          }};
}

}  // namespace mj
