// SPDX-License-Identifier: Apache-2.0
// What import functions of quantized operators share.
#pragma once

#include <string_view>

#include "import/node.h"

namespace mj::onnx {

// The input, which must be one number; where only running can tell, it is made one then. kAbsent where it is missing.
ValueId one_number(NodeImport& node, size_t input);

// dequantize_linear; kAbsent for no zero point.
ValueId dequantized(NodeImport& node, ValueId x, ValueId scale, ValueId zero, int64_t axis);

struct DynamicallyQuantized {
  ValueId values, scale, zero_point;
};
// x as u8, its range spread over all bytes.
DynamicallyQuantized dynamically_quantized(NodeImport& node, ValueId x);

// quantize_linear or dequantize_linear of inputs x, scale and zero point, with the node's attributes.
void import_scaled(NodeImport& node, std::string_view name);

}  // namespace mj::onnx
