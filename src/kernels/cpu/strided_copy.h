// SPDX-License-Identifier: Apache-2.0
// Copies between two strided arrays: what transpose, slice, concat, expand and pad are made of.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"

namespace mj::cpu {

// dst[sum i_d * dst_strides[d]] = src[sum i_d * src_strides[d]] for every index below dims. Strides count elements of
// element_bytes (1, 2, 4 or 8); those of src may be 0 or negative, with src at the element of index 0. No overlap.
struct StridedCopy {
  std::vector<int64_t> dims, src_strides, dst_strides;
  const void* src = nullptr;
  void* dst = nullptr;
  int64_t element_bytes = 4;
};

void strided_copy(ThreadPool& pool, StridedCopy copy);

// Strides of a dense array.
std::vector<int64_t> dense_strides(std::span<const int64_t> dims);

}  // namespace mj::cpu
