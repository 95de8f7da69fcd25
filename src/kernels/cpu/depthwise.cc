// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/depthwise.h"

namespace mj::cpu {
namespace {

void set_output(DepthwiseOutput& d, const ConvShape& s, float* out, const float* residual, const Epilogue& e) {
  d.width = s.ow;
  d.channels = s.c;
  d.bias = e.bias;
  d.out = out;
  d.ld_out = s.c;
  d.residual = residual;
  d.ld_residual = e.ld_residual;
  d.clip = e.clip;
  d.lo = e.lo;
  d.hi = e.hi;
}

}  // namespace

int64_t depthwise_pointers(const ConvShape& s) { return s.ow * s.kh * s.kw; }

void depthwise_row(const Microkernels& kernels, const ConvShape& s, const float* const* rows, const float* packed,
                   float* out, const float* residual, const Epilogue& e, const float* zeros, const float** scratch) {
  if (s.dilation_w == 1 && depthwise_row_takes(s.kw, s.stride_w)) {
    // Padding above and below adds nothing either.
    int64_t first = 0, last = s.kh;
    while (first < last && !rows[first]) ++first;
    while (first < last && !rows[last - 1]) --last;
    DepthwiseRowArgs d{};
    d.rows = rows + first;
    d.image_width = s.w;
    d.pad_left = s.pad_left;
    d.kh = last - first;
    d.kw = s.kw;
    d.stride = s.stride_w;
    d.w = packed + first * s.kw * s.c;
    set_output(d, s, out, residual, e);
    kernels.depthwise_row(d);
    return;
  }
  const float** tap = scratch;
  for (int64_t x = 0; x < s.ow; ++x)
    for (int64_t i = 0; i < s.kh; ++i)
      for (int64_t j = 0; j < s.kw; ++j) {
        const int64_t column = x * s.stride_w - s.pad_left + j * s.dilation_w;
        *tap++ = rows[i] && column >= 0 && column < s.w ? rows[i] + column * s.c : zeros;
      }
  DepthwiseArgs d{};
  d.rows = scratch;
  d.taps = s.kh * s.kw;
  d.w = packed;
  set_output(d, s, out, residual, e);
  kernels.depthwise(d);
}

}  // namespace mj::cpu
