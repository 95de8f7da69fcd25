// SPDX-License-Identifier: Apache-2.0
// A pixelwise convolution and the depthwise one that reads it, row by row: of the image between them only the rows
// under the window exist, in a ring that stays in L2. Bit for bit what two calls of conv() give, for any number of
// threads.
#pragma once

#include "kernels/cpu/conv.h"

namespace mj::cpu {

struct ConvDepthwiseShape {
  ConvShape pixelwise;  // 1x1 of stride 1 without padding or groups; y is the other's x
  ConvShape depthwise;
};

int64_t conv_depthwise_workspace(Isa isa, const ConvDepthwiseShape& s, int threads);

// `first` and `second` are weights as pack_conv() packs them. `between` holds bias, clip and a callback that treats all
// elements alike: it is told rows of the ring. `e` is the epilogue of y, as in conv().
void conv_depthwise(ThreadPool& pool, Isa isa, const ConvDepthwiseShape& s, const float* x, const float* first,
                    const float* second, float* y, const Epilogue& between, const Epilogue& e, void* workspace);

}  // namespace mj::cpu
