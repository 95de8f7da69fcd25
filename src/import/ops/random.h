// SPDX-License-Identifier: Apache-2.0
// What operators that draw numbers share.
#pragma once

#include "import/node.h"

namespace mj::onnx {

// From the attribute 'seed', or where there is none from the node's label, so that a model draws the same in each run
// and two of its nodes draw differently.
int64_t drawn_seed(NodeImport& node);

}  // namespace mj::onnx
