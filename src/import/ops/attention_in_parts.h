// SPDX-License-Identifier: Apache-2.0
// Attention where the one operator of ours does not do.
#pragma once

#include "import/ops/irregular.h"

namespace mj::onnx {

// `split`: inputs are [B,heads,S,D] and not [B,S,heads*D]; then heads may be 0, only running can tell. Sets the node's
// outputs.
void import_attention_in_parts(NodeImport& node, bool split, int64_t heads, int64_t kv_heads);

}  // namespace mj::onnx
