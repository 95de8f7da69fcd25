// SPDX-License-Identifier: Apache-2.0
// Which convolutions can be one step with their neighbours, and how that step takes over what they had.
#pragma once

#include "ir/graph.h"

namespace mj {

// f32 over channels-last images with two spatial dims and known weights, and
bool is_pixelwise_conv(const Graph& graph, const Node& conv);  // 1x1 of stride 1 without padding or groups
bool is_depthwise_conv(const Graph& graph, const Node& conv);  // one channel in and out per group

// Input i of the anchor; kAbsent where it has none.
ValueId anchor_input(const Node& node, size_t i);
// Ends `fused`, of which inputs holds those of the anchor, with the epilogue of `last`; it takes the place of last's
// result. What is dead then goes.
void replace_with_epilogue(Graph& graph, Node fused, NodeId last);
// Bytes of one sample of an f32 tensor, if they are known.
std::optional<int64_t> sample_bytes(const Shape& shape);

}  // namespace mj
