// SPDX-License-Identifier: Apache-2.0
// 3x3 convolution of stride 1 by Winograd's F(2x2, 3x3): 16 multiply-adds where the direct form takes 36, for 16/9 of
// the weights. Its rounding error is a small multiple of the direct form's. Outputs depend neither on threads nor on
// batch.
#pragma once

#include "kernels/cpu/conv.h"

namespace mj::cpu {

// NHWC, 3x3, stride and dilation 1, one group.
bool winograd_applies(const ConvShape& s);

// The rest is as for conv().
int64_t packed_winograd_floats(Isa isa, const ConvShape& s);
void pack_winograd(Isa isa, const ConvShape& s, const float* weights, float* dst);
int64_t winograd_workspace(Isa isa, const ConvShape& s, int threads);
void winograd(ThreadPool& pool, Isa isa, const ConvShape& s, const float* x, const float* packed, float* y,
              const Epilogue& epilogue, void* workspace);

}  // namespace mj::cpu
