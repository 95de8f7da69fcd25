// SPDX-License-Identifier: Apache-2.0
#include "kernels/topk/cuda_keys.h"

namespace mj {

std::string_view order_key_helpers() {
  // Kernels that are joined may each have it.
  return R"(#ifndef MJ_KEYS
#define MJ_KEYS
// NaN is beyond all numbers, and both zeros are the same.
__device__ __forceinline__ unsigned order_key(float x) {
  const unsigned bits = x == 0 ? 0 : __float_as_uint(x);
  return x != x ? 0xffffffffu : bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
__device__ __forceinline__ unsigned long long order_key(double x) {
  union { double number; unsigned long long bits; } as;
  as.number = x == 0 ? 0.0 : x;
  const unsigned long long sign = 1ull << 63;
  return x != x ? ~0ull : as.bits & sign ? ~as.bits : as.bits | sign;
}
__device__ __forceinline__ unsigned order_key(int x) { return (unsigned)x ^ 0x80000000u; }
__device__ __forceinline__ unsigned order_key(unsigned x) { return x; }
__device__ __forceinline__ unsigned long long order_key(long long x) { return (unsigned long long)x ^ (1ull << 63); }
__device__ __forceinline__ unsigned long long order_key(unsigned long long x) { return x; }
__device__ __forceinline__ void count_one(int* counter) {
#ifdef MJ_EMULATED
  ++*counter;
#else
  atomicAdd(counter, 1);
#endif
}
#endif
)";
}

}  // namespace mj
