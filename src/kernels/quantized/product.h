// SPDX-License-Identifier: Apache-2.0
// quantized_conv and quantized_matmul as one product of bytes.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kernels/cpu/byte_conv.h"
#include "problem/problem.h"

namespace mj {

// Why its weights are not such as a row can multiply, or nothing.
std::optional<std::string> byte_product_refusal(const Problem& problem);

// Weights as those of a convolution: [k][c / groups][kh][kw]; those of a matrix product are [N][K][1][1].
std::vector<int64_t> product_weight_dims(const Problem& problem, std::span<const int64_t> weights);

// For images of these dims; a matrix product has one row of pixels.
cpu::ByteConv product_of(const Problem& problem, std::span<const int64_t> x, std::span<const int64_t> weight_dims,
                         std::span<const int64_t> y);

}  // namespace mj
