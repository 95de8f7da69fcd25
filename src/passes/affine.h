// SPDX-License-Identifier: Apache-2.0
// Channel-wise y = s * x + t with constants, and folding it into what makes x.
#pragma once

#include <optional>
#include <vector>

#include "ir/graph.h"

namespace mj {

struct Affine {
  std::vector<double> s, t;  // one for each channel
};

// What a batch_norm node computes for its channels; nothing if its statistics are no constants.
std::optional<Affine> batch_norm_affine(const Graph& graph, const Node& batch_norm);

// The axis of a value that conv writes its output channels to.
int64_t conv_channel_axis(const Graph& graph, const Node& conv);
// Empty if fold_into_conv() will do: weights and bias are float constants.
std::string refuses_conv(const Graph& graph, const Node& conv);
// conv(x, w, b)  =>  conv(x, w * s, b * s + t)
ValueId fold_into_conv(Graph& graph, const Node& conv, const Affine& affine);

}  // namespace mj
