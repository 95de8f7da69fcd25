// SPDX-License-Identifier: Apache-2.0
// The import functions of irregular.inc.
#pragma once

#include "import/node.h"

namespace mj::onnx {

#define MJ_ONNX(name, since, function) void function(NodeImport& node);
#include "import/ops/irregular.inc"
#undef MJ_ONNX

}  // namespace mj::onnx
