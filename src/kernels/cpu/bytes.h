// SPDX-License-Identifier: Apache-2.0
// The table of integer inner loops that isa/ compiles once per Isa: exact products of bytes, rounded to bytes.
//
// A product's left operand comes prepared: wide (i16, less its zero point, so that no 16-bit step can saturate), or as
// u8 where the machine multiplies u8 by i8 into 32 bits; then `bias` makes up for the zero point.
#pragma once

#include <cstdint>

#include "base/isa.h"

namespace mj::cpu {

// One tile: y[i][j] = clamp(round_half_even(float(bias[j] + sum) * scale[j]), low, high) + zero, where sum runs over
// taps t and elements k of a[t * m + i][offset + k] * b[t * groups * group + k][j].
struct ByteTileArgs {
  const char* const* a;  // [taps][m] pointers to prepared elements
  int64_t offset;        // bytes added to each
  int64_t taps;
  int64_t groups;   // of `group` elements, used of each tap; what is read beyond a tap's end meets weights of 0
  const int8_t* b;  // [taps * groups][nr][group]
  const int32_t* bias;
  const float* scale;  // nr of both
  float low, high;     // bounds of y less zero
  int32_t zero;
  bool is_signed;  // y is i8, else u8
  char* y;
  int64_t ldy;  // bytes from one row of y to the next
  int64_t n;    // columns of y that are there, at most nr
};

// One pixel of a depthwise convolution, rounded as in a tile: of each channel its own taps' sum.
struct ByteDepthwiseArgs {
  const char* const* a;  // [taps] pointers to the prepared elements of channel 0
  int64_t taps, channels;
  const int8_t* w;  // [taps][channels]
  const int32_t* bias;
  const float* scale;
  float low, high;
  int32_t zero;
  bool is_signed;
  void* y;
};

// y = clamp(round_half_even((dq(a) + dq(b)) / scale), low, high) + zero with dq(a) = (a - a_zero) * a_scale, each
// operation rounded to f32.
struct ByteAddArgs {
  const void* a;
  const void* b;
  bool a_signed, b_signed, y_signed;
  int32_t a_zero, b_zero, zero;
  float a_scale, b_scale, scale;
  float low, high;  // bounds of y less zero
  void* y;
};

struct ByteKernels {
  static constexpr int kMaxMr = 12;
  static constexpr int kMaxNr = 32;

  int mr;     // rows of the largest tile
  int nr;     // columns of a packed panel
  int group;  // elements of K that stand side by side in a panel
  bool wide;
  void (*tiles[kMaxMr])(const ByteTileArgs&);
  void (*depthwise)(const ByteDepthwiseArgs&);
  // n bytes (i8 if is_signed, else u8) in the form of a left operand.
  void (*prepare)(const void* x, bool is_signed, int32_t zero, int64_t n, void* out);
  // sums[j] += x[i][j] - zero over rows i, `stride` bytes apart, for j in [0, n).
  void (*add_rows)(const void* x, bool is_signed, int64_t rows, int64_t stride, int32_t zero, int64_t n, int32_t* sums);
  // y[j] = the largest x[i][j] of `rows` rows, of which there is at least one; x[0] may be y.
  void (*max_rows)(const void* const* x, bool is_signed, int64_t rows, int64_t n, void* y);
  void (*add)(const ByteAddArgs& args, int64_t n);
  // y = clamp(round_half_even(x / scale), low, high) + zero; of NaN zero. y is i8 if is_signed, else u8.
  void (*quantize)(const float* x, int64_t n, float scale, float low, float high, int32_t zero, bool is_signed,
                   void* y);
  // y = (x - zero) * scale
  void (*dequantize)(const void* x, bool is_signed, int64_t n, int32_t zero, float scale, float* y);

  int64_t operand_bytes() const { return wide ? 2 : 1; }
};

// The table for `isa`, which this machine must be able to run. Packed weights are the same for all tables of an Isa.
const ByteKernels& byte_kernels(Isa isa);

}  // namespace mj::cpu
