// SPDX-License-Identifier: Apache-2.0
// What is added to a matrix product before its body: gemm's c.
#pragma once

#include <span>

#include "kernels/cpu/body_epilogue.h"
#include "kernels/gemm/form.h"

namespace mj {

// What is left of the epilogue's fields for the body.
cpu::EpilogueFields gemm_fields(const GemmForm& form);
// With c: `bias` if it was packed ahead, else inputs[2]; n columns.
cpu::Epilogue gemm_epilogue(const GemmForm& form, const cpu::BodyEpilogue::Bound& bound, const Tensor& bias,
                            std::span<const TensorRef> inputs, int64_t n);

}  // namespace mj
