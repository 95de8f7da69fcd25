// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/cpu/simd.h"

namespace mj::cpu::MJ_ISA_NS {

// Ten independent chains: latency 4, two units per cycle, and some to spare.
inline double peak_loop(int64_t iterations) {
  constexpr int kChains = 10;
  Vec acc[kChains];
  const Vec x = splat(0.999f), y = splat(0.001f);
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) acc[i] = splat(static_cast<float>(i));
  for (int64_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) acc[i] = fma(acc[i], x, y);
#if defined(__AVX2__)
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) asm volatile("" : "+v"(acc[i].v));
#endif
  }
  float sink[Vec::kLanes];
#pragma GCC unroll 16
  for (int i = 1; i < kChains; ++i) acc[0] = acc[0] + acc[i];
  store(sink, acc[0]);
  asm volatile("" ::"g"(sink[0]) : "memory");
  return 2.0 * kChains * Vec::kLanes * static_cast<double>(iterations);
}

}  // namespace mj::cpu::MJ_ISA_NS
