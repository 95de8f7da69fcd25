// SPDX-License-Identifier: Apache-2.0
// Max and average pooling over windows of up to three spatial dims, in both layouts.
#pragma once

#include <cstdint>

#include "base/function_ref.h"
#include "base/isa.h"
#include "base/thread_pool.h"

namespace mj::cpu {

struct PoolShape {
  int64_t n = 0, channels = 0;
  // Depth, height, width; missing outer ones are 1.
  int64_t in[3] = {1, 1, 1}, out[3] = {1, 1, 1}, kernel[3] = {1, 1, 1}, stride[3] = {1, 1, 1};
  int64_t dilation[3] = {1, 1, 1}, begin[3] = {0, 0, 0}, end[3] = {0, 0, 0};
  bool channels_last = false;
  bool average = false;            // else maximum, which is -inf over an empty window
  bool count_include_pad = false;  // averages divide by the places in the padded image, else in the image
};

// `finished(values, begin, n)` is called once for each stretch y[begin, begin + n) when it is complete, from any
// thread.
void pool(ThreadPool& threads, Isa isa, const PoolShape& s, const float* x, float* y,
          FunctionRef<void(float* values, int64_t begin, int64_t n)> finished);

// The same for maxima of bytes (i8 if is_signed, else u8), channels_last. An empty window gives the lowest byte.
void max_pool_bytes(ThreadPool& threads, Isa isa, const PoolShape& s, const void* x, bool is_signed, void* y);

}  // namespace mj::cpu
