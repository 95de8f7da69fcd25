// SPDX-License-Identifier: Apache-2.0
// Rows for GPUs against the reference row: on the machine's GPU, or where there is none on an emulated one.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "kernels/row_test_util.h"

namespace mj {

// In every configuration: with the sizes as they are, and with those of what is not constant as symbols.
void expect_gpu_row_matches(const std::string& row, RowCase c, double tolerance);
// The case, which is of f32, as it is in lower precision: with tensors of f16 and of bf16, of the epilogue's operands
// also without, and an epilogue that begins and ends with casts. Against the reference in f32, for the same inputs;
// outputs may be off by half a unit in their last place besides.
void expect_narrow_gpu_row_matches(const std::string& row, const RowCase& c, double tolerance);
// For a case that is complete but for symbols in its problem; `want` is what its inputs give. An empty config: each
// that the row suggests.
void expect_config_matches(const std::string& row, const RowCase& c, const std::string& config,
                           const std::vector<Tensor>& want, double tolerance);
// Is there either?
bool can_run_on_test_gpu();
// What the launches compute there; symbols are bound by the inputs' dims.
Result<std::vector<Tensor>> run_on_test_gpu(const Problem& problem, const Generated& generated,
                                            const std::vector<Tensor>& inputs, const std::vector<Tensor>& packed = {},
                                            std::optional<std::array<int, 2>> in_place = std::nullopt);
// The row's reason, or "takes it".
std::string gpu_refusal_of(const std::string& row, RowCase c, int sm = 90);

}  // namespace mj
