// SPDX-License-Identifier: Apache-2.0
// Exact integer convolution over NHWC images of bytes, rounded to bytes (ops/quantized.h); with one pixel to a sample,
// a matrix product. The sums are whole numbers, so that a result depends on nothing but its operands.
#pragma once

#include <cstdint>

#include "base/isa.h"
#include "base/thread_pool.h"
#include "kernels/cpu/bytes.h"
#include "kernels/cpu/conv.h"

namespace mj::cpu {

struct ByteConv {
  ConvShape shape;  // x_nchw is false
  bool x_signed = false, y_signed = false;
  int32_t x_zero = 0, y_zero = 0;
  int32_t low = 0, high = 0;  // bounds of y
};

// i8 weights [k][c / groups][kh][kw] packed for `byte_conv`, in bytes.
int64_t packed_byte_conv(Isa isa, const ConvShape& s);
void pack_byte_conv(Isa isa, const ConvShape& s, const int8_t* weights, int8_t* dst);

// What is added to and multiplied with the sums, one for each column of the packed panels of all groups.
struct ByteColumns {
  int64_t count = 0;
  int64_t of(int64_t output) const { return output / outputs * padded + output % outputs; }

  int64_t outputs = 0, padded = 0;  // of one group
};
ByteColumns byte_columns(Isa isa, const ConvShape& s);
// What the bias of an output has to make up for, whose weights sum up to `weights`.
int32_t byte_correction(Isa isa, const ByteConv& conv, int32_t weights);

// Bytes of workspace (64-byte aligned) that `byte_conv` needs with a pool of `threads`.
int64_t byte_conv_workspace(Isa isa, const ByteConv& conv, int threads);
// y[n][oh][ow][k]; bias and scale have byte_columns().count elements. y must not overlap x.
void byte_conv(ThreadPool& pool, Isa isa, const ByteConv& conv, const void* x, const int8_t* packed,
               const int32_t* bias, const float* scale, void* y, void* workspace);

}  // namespace mj::cpu
