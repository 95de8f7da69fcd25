// SPDX-License-Identifier: Apache-2.0
// Matrix products and 2-D convolutions over NHWC whose operands are rounded to bf16 and added up in fp32 (bf16.h).
// Weights are rounded and packed ahead, for every table alike; activations are rounded on the way, each once. An
// output depends neither on threads, nor on the other rows, nor on batch.
#pragma once

#include <cstdint>

#include "base/thread_pool.h"
#include "kernels/cpu/bf16.h"
#include "kernels/cpu/conv.h"
#include "kernels/cpu/epilogue.h"

namespace mj::cpu {

// B[k][n] in panels, zero-padded: elements, and the packing itself. b has row stride ldb and is [n][k] if b_transposed;
// each element is scaled before it is rounded.
int64_t packed_bf16(int64_t k, int64_t n);
void pack_bf16(const float* b, int64_t ldb, bool b_transposed, int64_t k, int64_t n, float scale, uint16_t* dst);

// c[m][n] = epilogue(a[m][k] * b[k][n]); rows of a stand lda apart, of c ldc. c must not overlap a or the residual.
struct Bf16Gemm {
  int64_t m = 0, n = 0, k = 0;
  const float* a = nullptr;
  int64_t lda = 0;
  const uint16_t* packed_b = nullptr;
  float* c = nullptr;
  int64_t ldc = 0;
  Epilogue epilogue;
};
// Bytes of workspace (64-byte aligned) that bf16_gemm needs with a pool of `threads`.
int64_t bf16_gemm_workspace(const Bf16Kernels& kernels, int64_t m, int64_t n, int64_t k, int threads);
void bf16_gemm(ThreadPool& pool, const Bf16Kernels& kernels, const Bf16Gemm& g, void* workspace);

// Weights [k][c][kh][kw] (ONNX) of a convolution without groups, packed for bf16_conv: packed_bf16(kh * kw * c, k)
// elements.
void pack_bf16_conv(const ConvShape& s, const float* weights, uint16_t* dst);
int64_t bf16_conv_workspace(const Bf16Kernels& kernels, const ConvShape& s, int threads);
// y[n][oh][ow][k]; x is NHWC, s.groups is 1. y must not overlap x or the residual.
void bf16_conv(ThreadPool& pool, const Bf16Kernels& kernels, const ConvShape& s, const float* x, const uint16_t* packed,
               float* y, const Epilogue& epilogue, void* workspace);

}  // namespace mj::cpu
