// SPDX-License-Identifier: Apache-2.0
// fp32 2-D convolution over NHWC images without im2col: the register tile walks row pointers into the image.
// Sums run in the order kernel row, kernel column, channel; an output depends neither on threads nor on batch.
#pragma once

#include <cstdint>

#include "base/isa.h"
#include "base/thread_pool.h"
#include "kernels/cpu/epilogue.h"

namespace mj::cpu {

struct ConvShape {
  int64_t n = 0, h = 0, w = 0, c = 0;  // input
  int64_t oh = 0, ow = 0, k = 0;       // output: k channels
  int64_t kh = 1, kw = 1;
  int64_t stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
  int64_t pad_top = 0, pad_left = 0;  // bottom and right padding follow from oh and ow
  int64_t groups = 1;                 // divides c and k
  // The image is dense NCHW instead. Only where few channels make reading it that way cheap: accepts_nchw().
  bool x_nchw = false;
};
bool accepts_nchw(const ConvShape& s);

// Weights [k][c / groups][kh][kw] (ONNX) packed for `conv`.
int64_t packed_conv_floats(Isa isa, const ConvShape& s);
void pack_conv(Isa isa, const ConvShape& s, const float* weights, float* dst);
// Back from that form: dst is [group][kernel row][kernel column][channel of the group][output of the group].
void unpack_conv(Isa isa, const ConvShape& s, const float* packed, float* dst);

// Bytes of workspace (64-byte aligned) that `conv` needs with a pool of `threads`.
int64_t conv_workspace(Isa isa, const ConvShape& s, int threads);

// y[n][oh][ow][k]; an epilogue row is one output pixel, a column one output channel. y must not overlap x or residual.
void conv(ThreadPool& pool, Isa isa, const ConvShape& s, const float* x, const float* packed, float* y,
          const Epilogue& epilogue, void* workspace);

}  // namespace mj::cpu
