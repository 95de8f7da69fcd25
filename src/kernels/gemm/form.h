// SPDX-License-Identifier: Apache-2.0
// matmul and gemm as one: op(a) * op(b), with what both halves of the row need to know of it.
#pragma once

#include <optional>
#include <string>

#include "problem/problem.h"

namespace mj {

struct GemmForm {
  bool a_transposed = false, b_transposed = false;
  float alpha = 1, beta = 1;
  bool packs_b = false;      // b is constant: packed ahead, alpha folded in
  bool packs_bias = false;   // gemm's c is constant and one per column (or one for all): packed ahead, beta folded in
  bool adds_bias = false;    // c is one per column, packed or not
  bool adds_matrix = false;  // c has the output's shape
};

// Gemm's constant c as one bias for each of n columns, beta folded in. Of the build half.
Tensor gemm_bias(const GemmForm& form, const Tensor& c, int64_t n);

// Fills `form`, or says why no form fits.
std::optional<std::string> gemm_form(const Problem& problem, GemmForm& form);

}  // namespace mj
