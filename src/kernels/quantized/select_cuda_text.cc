// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "kernels/quantized/cuda_text.h"

namespace mj {

std::string_view byte_helpers() {
  // Kernels that are joined may each have it.
  return R"(#ifndef MJ_BYTES
#define MJ_BYTES
#ifdef MJ_EMULATED
static inline float exact_mul(float a, float b) { return a * b; }
static inline float exact_add(float a, float b) { return a + b; }
static inline float exact_div(float a, float b) { return a / b; }
#else
#define exact_mul __fmul_rn
#define exact_add __fadd_rn
#define exact_div __fdiv_rn
#endif
__device__ __forceinline__ int rounded_steps(float steps, float least, float most, int zero) {
  if (steps != steps) return zero;
  return (int)rintf(fminf(fmaxf(steps, least), most)) + zero;
}
#endif
)";
}

std::string rounded_text(const Requantize& op, std::string_view steps) {
  return fmt::format("rounded_steps({}, {}.0f, {}.0f, {})", steps, op.low - op.y_zero, op.high - op.y_zero, op.y_zero);
}

}  // namespace mj
