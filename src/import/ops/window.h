// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "import/node.h"

namespace mj::onnx {

// The node's convolution of these inputs, whose fields are its attributes; kernel_shape is checked.
ValueId convolution(NodeImport& node, std::vector<ValueId> inputs);

}  // namespace mj::onnx
