// SPDX-License-Identifier: Apache-2.0
// A product of which the rows of A are scaled column by column on the way: a block of scaled rows stays in L2 while it
// is multiplied. Bit for bit what scaling A first gives.
#pragma once

#include "kernels/cpu/gemm.h"

namespace mj::cpu {

// Row i of g.a is multiplied by scale[i / rows_per_scale * g.k ..]; g.rows is not read.
struct ScaledGemm {
  Gemm g;
  const float* scale = nullptr;
  int64_t rows_per_scale = 1;
};
// Bytes of workspace (64-byte aligned) that scaled_gemm needs with a pool of `threads`.
int64_t scaled_gemm_workspace(Isa isa, const ScaledGemm& s, int threads);
void scaled_gemm(ThreadPool& pool, Isa isa, const ScaledGemm& s, void* workspace);

}  // namespace mj::cpu
