// SPDX-License-Identifier: Apache-2.0
// Depthwise convolution by rows: what conv() and conv_depthwise() share.
#pragma once

#include "kernels/cpu/conv.h"
#include "kernels/cpu/microkernels.h"

namespace mj::cpu {

// Pointers of scratch that depthwise_row() needs.
int64_t depthwise_pointers(const ConvShape& s);
// The image row under kernel row i of output row y; outside [0, s.h) is padding.
inline int64_t image_row(const ConvShape& s, int64_t y, int64_t i) {
  return y * s.stride_h - s.pad_top + i * s.dilation_h;
}

// One row of outputs, s.ow pixels of s.c channels, but for the epilogue's callback.
// rows[i] is the image row under kernel row i, s.w dense pixels, or null where that is padding. `packed` is what
// pack_conv made, zeros holds s.c floats, residual is the row's or null.
void depthwise_row(const Microkernels& kernels, const ConvShape& s, const float* const* rows, const float* packed,
                   float* out, const float* residual, const Epilogue& e, const float* zeros, const float** scratch);

}  // namespace mj::cpu
