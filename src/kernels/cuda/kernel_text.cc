// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/kernel_text.h"

#include <algorithm>
#include <cmath>

namespace mj {
namespace {

constexpr std::string_view kPrelude = R"(// Every element count fits: launches refuse sizes of 2^31 and more.
typedef unsigned int Index;

#ifndef MJ_EMULATED
#define DYNAMIC_SHARED(type, name)                                    \
  extern __shared__ __align__(1024) unsigned char dynamic_shared_bytes[]; \
  type* const name = (type*)dynamic_shared_bytes
#define INFINITY __int_as_float(0x7f800000)
#define NAN __int_as_float(0x7fffffff)
__device__ __forceinline__ float f16_to_f32(unsigned short x) {
  float y;
  asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x));
  return y;
}
__device__ __forceinline__ unsigned short f32_to_f16(float x) {
  unsigned short y;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x));
  return y;
}
// A launch may begin before the one before it has ended (programmatic dependent launch, sm_90 and later): waits for
// that end, and lets the next one begin.
__device__ __forceinline__ void wait_for_previous() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
#endif

__device__ __forceinline__ float bf16_to_f32(unsigned short x) { return __uint_as_float((unsigned int)x << 16); }
__device__ __forceinline__ unsigned short f32_to_bf16(float x) {
  const unsigned int bits = __float_as_uint(x);
  if (x != x) return 0x7fff;
  return (unsigned short)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// The nearest of [low, high] with the fraction cut off; NaN is 0. `high` may be rounded up to what T lacks.
template <class T, class F>
__device__ __forceinline__ T to_integer(F x, F low, F high, T lowest, T highest) {
  if (x != x) return 0;
  return x <= low ? lowest : x >= high ? highest : (T)x;
}

// For results of 16 bits: one instruction each, off by some units in the last place.
#ifndef MJ_EMULATED
__device__ __forceinline__ float short_exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
__device__ __forceinline__ float short_reciprocal(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
#endif
__device__ __forceinline__ float short_sigmoid(float x) {
  return short_reciprocal(1.0f + short_exp2(-1.44269504f * x));
}
// x * Phi(x), off by at most 1.7e-5 * |x|: Phi - 0.5 as an odd polynomial fitted to it on [-4.2, 4.2], where it ends in 0.5
// (least largest error; a division and an exponential would take twice as long).
__device__ __forceinline__ float short_gelu(float x) {
  const float near = fminf(fmaxf(x, -4.2f), 4.2f), square = near * near;
  float p = 7.39343864e-11f;
  p = p * square - 6.70922695e-09f;
  p = p * square + 2.68720669e-07f;
  p = p * square - 6.34723301e-06f;
  p = p * square + 1.00337216e-04f;
  p = p * square - 1.14677357e-03f;
  p = p * square + 9.93048586e-03f;
  p = p * square - 6.65049180e-02f;
  p = p * square + 3.98973763e-01f;
  return x * (near * p + 0.5f);
}

// Over all threads of a block (a multiple of 32, at most 1024), the result in each of them; the order is always the
// same. `shared` holds 32 values, and all threads come here.
struct Sum {
  template <class T>
  __device__ __forceinline__ T operator()(T a, T b) const { return a + b; }
};
struct Max {
  template <class T>
  __device__ __forceinline__ T operator()(T a, T b) const { return a > b || a != a ? a : b; }
};
template <class T, class Combine>
__device__ __forceinline__ T warp_reduce(T x, Combine combine) {
  for (int lanes = 16; lanes > 0; lanes /= 2) x = combine(x, __shfl_xor_sync(0xffffffffu, x, lanes));
  return x;
}
template <class T, class Combine>
__device__ __forceinline__ T block_reduce(T x, Combine combine, T* shared) {
  const int warps = blockDim.x / 32;
  x = warp_reduce(x, combine);
  __syncthreads();
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = x;
  __syncthreads();
  x = shared[0];
  for (int i = 1; i < warps; ++i) x = combine(x, shared[i]);
  return x;
}
)";

}  // namespace

std::string_view kernel_prelude() { return kPrelude; }

std::string_view c_storage(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "float";
    case DType::f64:
      return "double";
    case DType::f16:
    case DType::bf16:
    case DType::u16:
      return "unsigned short";
    case DType::i8:
      return "signed char";
    case DType::i16:
      return "short";
    case DType::i32:
      return "int";
    case DType::i64:
      return "long long";
    case DType::u8:
      return "unsigned char";
    case DType::u32:
      return "unsigned int";
    case DType::u64:
      return "unsigned long long";
    case DType::boolean:
      return "bool";
    default:
      return "";
  }
}

std::string_view c_maths(DType dtype) {
  if (dtype == DType::f64) return "double";
  if (dtype == DType::boolean) return "bool";
  if (is_float(dtype)) return "float";
  return is_signed(dtype) ? "long long" : "unsigned long long";
}

std::string c_load(DType dtype, std::string_view expression) {
  if (dtype == DType::f16) return fmt::format("f16_to_f32({})", expression);
  if (dtype == DType::bf16) return fmt::format("bf16_to_f32({})", expression);
  return std::string(expression);
}

std::string c_store(DType dtype, std::string_view expression) {
  if (dtype == DType::f16) return fmt::format("f32_to_f16({})", expression);
  if (dtype == DType::bf16) return fmt::format("f32_to_bf16({})", expression);
  return fmt::format("({})({})", c_storage(dtype), expression);
}

std::string c_literal(float value) {
  if (std::isnan(value)) return "NAN";
  if (std::isinf(value)) return value > 0 ? "INFINITY" : "(-INFINITY)";
  return fmt::format("({:a}f)", value);
}

KernelText::KernelText(std::string name, const Problem& problem) : name_(std::move(name)), problem_(problem) {}

std::string KernelText::parameter(LaunchArg arg, std::string type, std::string name) {
  for (const Parameter& known : parameters_) {
    if (known.arg == arg) return known.name;
  }
  parameters_.push_back({std::move(arg), std::move(type), name});
  return name;
}

std::string KernelText::input(size_t index) {
  const bool shared = std::any_of(in_place_.begin(), in_place_.end(),
                                  [&](const auto& pair) { return pair[0] == static_cast<int>(index); });
  return parameter({LaunchArg::Kind::input, static_cast<int>(index), 0},
                   fmt::format("const {}* {}", c_storage(problem_.inputs[index].dtype), shared ? "" : "__restrict__ "),
                   fmt::format("in{}", index));
}

std::string KernelText::output(size_t index) {
  const bool shared = std::any_of(in_place_.begin(), in_place_.end(),
                                  [&](const auto& pair) { return pair[1] == static_cast<int>(index); });
  return parameter({LaunchArg::Kind::output, static_cast<int>(index), 0},
                   fmt::format("{}* {}", c_storage(problem_.outputs[index].dtype), shared ? "" : "__restrict__ "),
                   fmt::format("out{}", index));
}

std::string KernelText::packed(int index, std::string_view type) {
  return parameter({LaunchArg::Kind::packed, index, 0}, fmt::format("const {}* __restrict__ ", type),
                   fmt::format("packed{}", index));
}

std::string KernelText::workspace(const Dim& offset, std::string_view type) {
  return parameter({LaunchArg::Kind::workspace, 0, offset}, fmt::format("{}* __restrict__ ", type),
                   fmt::format("scratch{}", parameters_.size()));
}

std::string KernelText::size(const Dim& dim) {
  if (const std::optional<int64_t> value = dim.constant()) return std::to_string(*value);
  return parameter({LaunchArg::Kind::size, 0, dim}, "const int ", fmt::format("n{}", parameters_.size()));
}

void KernelText::in_place(int input, int output) { in_place_.push_back({input, output}); }

Generated KernelText::finish(std::array<Dim, 3> grid, std::array<int, 3> threads, int shared_bytes) && {
  Launch launch{name_, grid, threads, shared_bytes, {}, true};
  std::string parameters;
  for (const Parameter& parameter : parameters_) {
    parameters += fmt::format("{}{}{}", parameters.empty() ? "" : ", ", parameter.type, parameter.name);
    launch.args.push_back(parameter.arg);
  }
  Generated generated;
  generated.source = fmt::format("{}extern \"C\" __global__ void {}__launch_bounds__({}{}) {}({}) {{\n{}{}}}\n",
                                 helpers_, cluster_ > 1 ? fmt::format("__cluster_dims__({}, 1, 1) ", cluster_) : "",
                                 threads[0] * threads[1] * threads[2],
                                 blocks_together_ > 1 ? fmt::format(", {}", blocks_together_) : "", name_, parameters,
                                 waits_itself_ ? "" : "  wait_for_previous();\n", lines_);
  generated.launches = {std::move(launch)};
  generated.workspace_bytes = workspace_bytes_;
  generated.in_place = in_place_;
  return generated;
}

Generated join(Generated first, Generated second) {
  first.source += second.source;
  for (Launch& launch : second.launches) first.launches.push_back(std::move(launch));
  first.workspace_bytes = max(first.workspace_bytes, second.workspace_bytes);
  first.in_place.clear();  // an output that a later launch writes must not lie where that launch still reads
  return first;
}

}  // namespace mj
