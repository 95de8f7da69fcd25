// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "import/node.h"

namespace mj::onnx {

// `x` as a matrix: the dims before `axis` (in [0, rank]) become its rows, the others its columns.
ValueId flatten(NodeImport& node, ValueId x, int64_t axis);

}  // namespace mj::onnx
