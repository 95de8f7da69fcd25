// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cpu/simd.h"

namespace mj::cpu::MJ_ISA_NS {

// Blocks of 8 columns keep the nr destination lines in L1 while the rows are read along their length.
inline void pack_rows(const float* rows, int64_t ld, int64_t n, int64_t k, float* dst) {
  constexpr int kNr = 2 * Vec::kLanes;
  for (int64_t k0 = 0; k0 < k; k0 += 8) {
    const int64_t width = min64(8, k - k0);
    for (int64_t j = 0; j < n; ++j) {
      const float* row = rows + j * ld + k0;
      for (int64_t i = 0; i < width; ++i) dst[(k0 + i) * kNr + j] = row[i];
    }
    for (int64_t j = n; j < kNr; ++j)
      for (int64_t i = 0; i < width; ++i) dst[(k0 + i) * kNr + j] = 0.0f;
  }
}

}  // namespace mj::cpu::MJ_ISA_NS
