// SPDX-License-Identifier: Apache-2.0
// Nodes that a plugin computes.
#pragma once

#include "import/node.h"
#include "ops/plugin.h"

namespace mj::onnx {

void import_plugin(NodeImport& node, const PluginOperator& plugin);

// The operator's outputs are those of the node that are wanted; their element types are put down in the operator.
void finish_plugin(NodeImport& node, PluginOp op, std::vector<ValueId> inputs);

}  // namespace mj::onnx
