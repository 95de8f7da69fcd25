// SPDX-License-Identifier: Apache-2.0
// Which function imports an ONNX operator of a given opset. Regular operators need none: src/ops says how ONNX spells
// them. The irregular ones are listed in import/ops/irregular.inc.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "import/node.h"

namespace mj::onnx {

using ImportFunction = void (*)(NodeImport&);

struct Row {
  int since = 0;
  ImportFunction import = nullptr;  // null: regular
  const OpInfo* op = nullptr;       // of a regular one
};

// The row with the highest `since` up to `opset`; nullptr where there is none. Domain "" is ai.onnx; rows of
// other domains are listed with the domain before the name: "ai.onnx.preview.FlexAttention".
const Row* find_row(std::string_view domain, std::string_view op_type, int64_t opset);

// The ONNX operators that functions import, by name and `since`.
std::span<const OnnxName> irregular_names();

// What a regular row does: fields from attributes of the same names, inputs as they are, one output.
void import_regular(NodeImport& node, const OpInfo& op);

}  // namespace mj::onnx
