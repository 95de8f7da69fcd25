// SPDX-License-Identifier: Apache-2.0
// What the CUDA rows of matrix products know of a problem.
#pragma once

#include "problem/problem.h"

namespace mj {

// Either operator: batches of op(a) [rows, depth] times op(b) [depth, columns].
struct GemmCudaForm {
  Dim rows, columns, depth, batches = 1;
  Shape a_batch, b_batch, batch;  // of broadcast batches
  bool a_transposed = false, b_transposed = false;
  float alpha = 1, beta = 1;
  bool adds_c = false;
};

GemmCudaForm gemm_cuda_form(const Problem& problem);

}  // namespace mj
