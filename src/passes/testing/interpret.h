// SPDX-License-Identifier: Apache-2.0
// For tests: a graph by its reference kernels, node by node.
#pragma once

#include <span>
#include <string>

#include "ir/graph.h"

namespace mj::testing {

Result<std::vector<Tensor>> interpret(const Graph& graph, std::span<const Tensor> inputs, const Bindings& bindings);

// Runs both on the same random inputs, symbols set to small numbers. Empty, or how the answers differ: by more than
// `tolerance`, relative, which leaves room for folded weights. Graphs with inputs of unknown rank are taken to agree.
std::string difference(const Graph& a, const Graph& b, double tolerance = 1e-4);

}  // namespace mj::testing
