// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/vector_text.h"

#include <algorithm>

namespace mj {
namespace {

constexpr int kVectorBytes = 16;
constexpr int kMostValues = 64;  // of all tensors in a thread's registers

// Kernels that are joined may each have it.
constexpr std::string_view kHelpers = R"(#ifndef MJ_VECTORS
#define MJ_VECTORS
template <class T, int kCount>
struct alignas(sizeof(T) * kCount < 16 ? sizeof(T) * kCount : 16) Elements {
  T at[kCount];
};
template <int kCount, class T, class M>
__device__ __forceinline__ void load_elements(const T* from, M* to) {
  const Elements<T, kCount> x = *(const Elements<T, kCount>*)from;
#pragma unroll
  for (int i = 0; i < kCount; ++i) to[i] = x.at[i];
}
template <int kCount, class T, class M>
__device__ __forceinline__ void store_elements(T* to, const M* from) {
  Elements<T, kCount> x;
#pragma unroll
  for (int i = 0; i < kCount; ++i) x.at[i] = (T)from[i];
  *(Elements<T, kCount>*)to = x;
}

// Two of 16 bits in a word.
__device__ __forceinline__ void split_f16(unsigned int x, float* to) {
#ifdef MJ_EMULATED
  to[0] = f16_to_f32((unsigned short)x);
  to[1] = f16_to_f32((unsigned short)(x >> 16));
#else
  asm("{ .reg .b16 low, high; mov.b32 {low, high}, %2; cvt.f32.f16 %0, low; cvt.f32.f16 %1, high; }"
      : "=f"(to[0]), "=f"(to[1]) : "r"(x));
#endif
}
__device__ __forceinline__ void split_bf16(unsigned int x, float* to) {
  to[0] = __uint_as_float(x << 16);
  to[1] = __uint_as_float(x & 0xffff0000u);
}
__device__ __forceinline__ unsigned int join_f16(float low, float high) {
#if __CUDA_ARCH__ >= 800
  unsigned int x;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(x) : "f"(high), "f"(low));
  return x;
#else
  return f32_to_f16(low) | (unsigned int)f32_to_f16(high) << 16;
#endif
}
__device__ __forceinline__ unsigned int join_bf16(float low, float high) {
#if __CUDA_ARCH__ >= 800
  unsigned int x;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(x) : "f"(high), "f"(low));
  return x;
#else
  return f32_to_bf16(low) | (unsigned int)f32_to_bf16(high) << 16;
#endif
}
template <int kCount>
__device__ __forceinline__ void load_f16(const unsigned short* from, float* to) {
  unsigned int x[kCount / 2];
  load_elements<kCount / 2>((const unsigned int*)from, x);
#pragma unroll
  for (int i = 0; i < kCount / 2; ++i) split_f16(x[i], to + 2 * i);
}
template <int kCount>
__device__ __forceinline__ void load_bf16(const unsigned short* from, float* to) {
  unsigned int x[kCount / 2];
  load_elements<kCount / 2>((const unsigned int*)from, x);
#pragma unroll
  for (int i = 0; i < kCount / 2; ++i) split_bf16(x[i], to + 2 * i);
}
template <int kCount>
__device__ __forceinline__ void store_f16(unsigned short* to, const float* from) {
  unsigned int x[kCount / 2];
#pragma unroll
  for (int i = 0; i < kCount / 2; ++i) x[i] = join_f16(from[2 * i], from[2 * i + 1]);
  store_elements<kCount / 2>((unsigned int*)to, x);
}
template <int kCount>
__device__ __forceinline__ void store_bf16(unsigned short* to, const float* from) {
  unsigned int x[kCount / 2];
#pragma unroll
  for (int i = 0; i < kCount / 2; ++i) x[i] = join_bf16(from[2 * i], from[2 * i + 1]);
  store_elements<kCount / 2>((unsigned int*)to, x);
}
#endif
)";

// How an operand that is broadcast onto `to` lies under a run of elements.
enum class Under { all, one, unknown };  // neighbours too; one element for all of them

Under under(const Shape& from, const Shape& to, int width) {
  const size_t missing = to.size() - from.size();
  Dim all = 1, none = 1;  // elements of the last axes that `from` has whole, or lacks
  for (size_t axis = to.size(); axis-- > 0 && (all.constant() == 1 || none.constant() == 1);) {
    if (to[axis].constant() == 1) continue;
    const bool lacks = axis < missing || from[axis - missing].constant() == 1;
    if (!lacks && equal(from[axis - missing], to[axis]) != Tri::yes) break;
    Dim& run = lacks ? none : all;
    if ((lacks ? all : none).constant() != 1) break;
    run *= to[axis];
  }
  if (is_multiple(all, width)) return Under::all;
  return is_multiple(none, width) || element_count(from).constant() == 1 ? Under::one : Under::unknown;
}

std::string access(KernelText& kernel, std::string_view what, DType dtype, int width, std::string_view pointer,
                   std::string_view index, std::string_view array) {
  kernel.helper(kHelpers);
  const bool half = dtype == DType::f16 || dtype == DType::bf16;
  return fmt::format("  {}_{}<{}>({} + {}, {});\n", what, half ? name(dtype) : "elements", width, pointer, index,
                     array);
}

}  // namespace

std::string_view vector_helpers() { return kHelpers; }

bool is_multiple(const Dim& dim, int width) { return width == 1 || equal(mod(dim, width), 0) == Tri::yes; }

bool lies_whole(const Shape& from, const Shape& to, int width) { return under(from, to, width) == Under::all; }

int vector_width(const Problem& problem, int most) {
  const Shape& shape = problem.outputs[0].shape;
  const Dim count = element_count(shape);
  int64_t narrowest = kVectorBytes, tensors = 0;
  const bool pointwise = !problem.op || problem.op.info().pointwise;
  const auto own = std::span(problem.inputs).subspan(static_cast<size_t>(pointwise ? 0 : problem.anchor_inputs));
  for (const Operand& output : problem.outputs) {
    narrowest = std::min(narrowest, storage_bytes(output.dtype));
    ++tensors;
  }
  for (const Operand& operand : own) {
    if (under(operand.shape, shape, 2) == Under::one) continue;
    narrowest = std::min(narrowest, storage_bytes(operand.dtype));
    ++tensors;
  }
  const auto regular = [&](int width) {
    return std::ranges::all_of(
        own, [&](const Operand& operand) { return under(operand.shape, shape, width) != Under::unknown; });
  };
  int largest = 1;
  for (int width = 8; width > 1; width /= 2) {
    if (width > most || width * narrowest > kVectorBytes || width * tensors > kMostValues) continue;
    if (!is_multiple(count, width)) continue;
    if (regular(width)) return width;
    largest = std::max(largest, width);
  }
  return largest;
}

std::string vector_load_text(KernelText& kernel, DType dtype, int width, std::string_view pointer,
                             std::string_view index, std::string_view array) {
  if (width > 1) return access(kernel, "load", dtype, width, pointer, index, array);
  return fmt::format("  {}[0] = {};\n", array, c_load(dtype, fmt::format("{}[{}]", pointer, index)));
}

std::string vector_add_text(KernelText& kernel, DType dtype, int width, std::string_view pointer,
                            std::string_view index, std::string_view array) {
  return fmt::format("  {{\n  float added[{}];\n{}", width,
                     vector_load_text(kernel, dtype, width, pointer, index, "added")) +
         fmt::format("  #pragma unroll\n  for (int e = 0; e < {}; ++e) {}[e] += added[e];\n  }}\n", width, array);
}

std::string vector_store_text(KernelText& kernel, DType dtype, int width, std::string_view pointer,
                              std::string_view index, std::string_view array) {
  if (width > 1) return access(kernel, "store", dtype, width, pointer, index, array);
  return fmt::format("  {}[{}] = {};\n", pointer, index, c_store(dtype, fmt::format("{}[0]", array)));
}

std::string vector_body_text(KernelText& kernel, const Body& body, const std::string& values, size_t first_input,
                             const std::string& index, int width, std::string_view prefix, const std::string& last) {
  const Problem& problem = kernel.problem();
  const Shape& shape = problem.outputs[0].shape;
  const auto place = [&](const Shape& from, const std::string& at) {
    const bool along_last =
        !last.empty() && at == index && !from.empty() && equal(from.back(), shape.back()) == Tri::yes;
    if (along_last && equal(element_count(from), from.back()) == Tri::yes) return last;
    return broadcast_index(kernel, from, shape, at);
  };
  const std::string element = fmt::format("{}e", prefix);
  std::string lines, stores;
  std::vector<std::string> params;
  if (!values.empty()) params.push_back(fmt::format("{}[{}]", values, element));
  for (size_t i = first_input; i < problem.inputs.size(); ++i) {
    const auto& [dtype, from, constant, kind] = problem.inputs[i];
    const std::string pointer = kernel.input(i), name = fmt::format("{}in{}", prefix, i);
    const auto read = [&](const std::string& at) {
      return c_load(dtype, fmt::format("{}[{}]", pointer, place(from, at)));
    };
    const Under lies = width == 1 ? Under::one : under(from, shape, width);
    if (lies == Under::one) {
      lines += fmt::format("  const {} {} = {};\n", c_maths(dtype), name, read(index));
      params.push_back(name);
      continue;
    }
    lines += fmt::format("  {} {}[{}];\n", c_maths(dtype), name, width);
    if (lies == Under::all) {
      lines += vector_load_text(kernel, dtype, width, pointer, place(from, index), name);
    } else {
      lines += fmt::format("  #pragma unroll\n  for (int {0} = 0; {0} < {1}; ++{0}) {2}[{0}] = {3};\n", element, width,
                           name, read(fmt::format("({} + {})", index, element)));
    }
    params.push_back(fmt::format("{}[{}]", name, element));
  }
  const BodyText text = body_text(body, params, prefix);
  std::string inner = text.lines;
  for (size_t o = 0; o < problem.outputs.size(); ++o) {
    const DType dtype = problem.outputs[o].dtype;
    const std::string name = fmt::format("{}out{}", prefix, o);
    lines += fmt::format("  {} {}[{}];\n", c_maths(dtype), name, width);
    inner += fmt::format("  {}[{}] = {};\n", name, element, text.stored[o]);
    stores += vector_store_text(kernel, dtype, width, kernel.output(o), index, name);
  }
  lines += fmt::format("  #pragma unroll\n  for (int {0} = 0; {0} < {1}; ++{0}) {{\n{2}  }}\n", element, width, inner);
  return lines + stores;
}

std::string vector_epilogue_text(KernelText& kernel, const std::string& values, const std::string& index, int width,
                                 const std::string& last, std::string_view prefix) {
  const Problem& problem = kernel.problem();
  if (problem.epilogue.empty())
    return vector_store_text(kernel, problem.outputs[0].dtype, width, kernel.output(0), index, values);
  return vector_body_text(kernel, problem.epilogue, values, static_cast<size_t>(problem.anchor_inputs), index, width,
                          prefix, last);
}

}  // namespace mj
