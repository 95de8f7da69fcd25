// SPDX-License-Identifier: Apache-2.0
// fp32 matrix products. Each element is one chain of multiply-adds in ascending k (fused where the Isa has them), so
// its value depends neither on threads, nor on the other rows, nor on whether B was packed ahead.
#pragma once

#include <cstdint>

#include "base/isa.h"
#include "base/thread_pool.h"
#include "kernels/cpu/epilogue.h"

namespace mj::cpu {

// B[k][n] in panels of the Isa's width, zero-padded: the layout that `gemm` reads.
int64_t packed_b_floats(Isa isa, int64_t k, int64_t n);
// b is [k][n] with row stride ldb, or [n][k] if b_transposed.
void pack_b(Isa isa, const float* b, int64_t ldb, bool b_transposed, int64_t k, int64_t n, float* dst);
// Back from panels: dst is [k][n].
void unpack_b(Isa isa, const float* packed, int64_t k, int64_t n, float* dst);

// c[m][n] = epilogue(a[m][k] * b[k][n]); c must not overlap a or the residual. Rows of a stand lda apart, or where
// `rows` points if that is not null.
struct Gemm {
  int64_t m = 0, n = 0, k = 0;
  const float* a = nullptr;
  int64_t lda = 0;
  const float* packed_b = nullptr;
  float* c = nullptr;
  int64_t ldc = 0;
  Epilogue epilogue;
  const float* const* rows = nullptr;
};
void gemm(ThreadPool& pool, Isa isa, const Gemm& g);

// `batch` products whose B is not known ahead. a is [m][k] (or [k][m] if a_transposed), b [k][n] (or [n][k]); a stride
// of 0 shares an operand. In the epilogue rows count on through the batch: row = first_row + batch index * m + row of
// c; the residual follows the same count, so it is dense over the batch.
struct BatchedGemm {
  int64_t batch = 1, m = 0, n = 0, k = 0;
  const float* a = nullptr;
  int64_t lda = 0, stride_a = 0;
  bool a_transposed = false;
  const float* b = nullptr;
  int64_t ldb = 0, stride_b = 0;
  bool b_transposed = false;
  float* c = nullptr;
  int64_t ldc = 0, stride_c = 0;
  int64_t first_row = 0;
  Epilogue epilogue;
};
// Bytes of workspace (64-byte aligned) that batched_gemm needs with a pool of `threads`.
int64_t batched_gemm_workspace(Isa isa, const BatchedGemm& g, int threads);
void batched_gemm(ThreadPool& pool, Isa isa, const BatchedGemm& g, void* workspace);

}  // namespace mj::cpu
