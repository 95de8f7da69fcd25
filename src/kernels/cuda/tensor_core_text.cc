// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/tensor_core_text.h"

#include <fmt/format.h>

namespace mj {

std::string_view tensor_core_helpers() {
  return R"(#ifndef MJ_EMULATED
__device__ __forceinline__ unsigned shared_address(const void* p) { return (unsigned)__cvta_generic_to_shared(p); }
template <int kBytes>
__device__ __forceinline__ void copy_async(void* to, const void* from, bool valid) {
  const unsigned bytes = valid ? kBytes : 0;
  if (kBytes == 16) {
    asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from),
                 "r"(bytes) : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared_address(to)), "l"(from), "n"(kBytes),
                 "r"(bytes) : "memory");
  }
}
__device__ __forceinline__ void end_stage() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int kLeft>
__device__ __forceinline__ void wait_stages() { asm volatile("cp.async.wait_group %0;" ::"n"(kLeft) : "memory"); }
__device__ __forceinline__ void load_matrices(unsigned* r, const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(row)) : "memory");
}
__device__ __forceinline__ void load_matrices_transposed(unsigned* r, const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(row)) : "memory");
}
#define MJ_MULTIPLY(name, type)                                                                               \
  __device__ __forceinline__ void name(float* sums, const unsigned* a, unsigned b0, unsigned b1) {            \
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." type "." type                                       \
                 ".f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"                       \
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])                                 \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));                             \
  }
MJ_MULTIPLY(multiply_f16, "f16")
MJ_MULTIPLY(multiply_bf16, "bf16")
#if __CUDA_ARCH__ >= 900
__device__ __forceinline__ void fence_async() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
__device__ __forceinline__ void begin_group() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void end_group() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int kLeft>
__device__ __forceinline__ void wait_groups() { asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kLeft) : "memory"); }
// Lines of 128 bytes, eight of which are permuted together.
__device__ __forceinline__ unsigned long long tile_descriptor(const unsigned short* tile, int k) {
  const unsigned at = shared_address(tile) + k * 2;
  return (unsigned long long)(at >> 4 & 0x3fff) | 1ull << 16 | 64ull << 32 | 1ull << 62;
}
// Lines whose chunks of 16 bytes follow each other, those of the next 8 elements of each `along` bytes further.
__device__ __forceinline__ unsigned long long plain_descriptor(const unsigned short* chunks, unsigned along) {
  const unsigned at = shared_address(chunks);
  return (unsigned long long)(at >> 4 & 0x3fff) | (unsigned long long)(along >> 4) << 16 | 8ull << 32;
}
#endif
__device__ __forceinline__ void cluster_sync() {
#if __CUDA_ARCH__ >= 900
  asm volatile("barrier.cluster.arrive.release.aligned;\n\tbarrier.cluster.wait.acquire.aligned;" ::: "memory");
#endif
}
__device__ __forceinline__ float cluster_read(const float* p, int rank) {
  float x = 0;
#if __CUDA_ARCH__ >= 900
  unsigned at;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(at) : "r"(shared_address(p)), "r"(rank));
  asm volatile("ld.shared::cluster.f32 %0, [%1];" : "=f"(x) : "r"(at) : "memory");
#endif
  return x;
}
__device__ __forceinline__ float4 cluster_read(const float4* p, int rank) {
  float4 x = make_float4(0, 0, 0, 0);
#if __CUDA_ARCH__ >= 900
  unsigned at;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(at) : "r"(shared_address(p)), "r"(rank));
  asm volatile("ld.shared::cluster.v4.f32 {%0, %1, %2, %3}, [%4];"
               : "=f"(x.x), "=f"(x.y), "=f"(x.z), "=f"(x.w) : "r"(at) : "memory");
#endif
  return x;
}
#endif
)";
}

namespace {

// wgmma over columns as a function of `parameters`, with the descriptors of its operands; `emulated` is a statement.
std::string wgmma_text(std::string_view name, int columns, DType dtype, std::string_view parameters, std::string_view a,
                       std::string_view b, std::string_view emulated) {
  const int sums = columns / 2;  // of a thread
  std::string names, operands;
  for (int i = 0; i < sums; ++i) {
    names += fmt::format("{}%{}", i ? ", " : "", i);
    operands += fmt::format("{}\"+f\"(sums[{}][{}])", i ? ", " : "", i / 4, i % 4);
  }
  return fmt::format(R"(#ifndef MJ_EMULATED
__device__ __forceinline__ void {0}_{1}(float (&sums)[{2}][4], const unsigned short* a, const unsigned short* b,
                                        {3}bool adds) {{
  asm volatile("{{\n\t.reg .pred adds;\n\tsetp.ne.b32 adds, %{4}, 0;\n\t"
               "wgmma.mma_async.sync.aligned.m64n{1}k16.f32.{5}.{5} {{{6}}}, %{7}, %{8}, adds, 1, 1, 0, 0;\n\t}}"
               : {9} : "l"({10}), "l"({11}), "r"((int)adds));
}}
#else
static void {0}_{1}(float (&sums)[{2}][4], const unsigned short* a, const unsigned short* b, {3}bool adds) {{
  if (!adds) memset(sums, 0, sizeof sums);
  {12};
}}
#endif
)",
                     name, columns, columns / 8, parameters, sums + 2, mj::name(dtype), names, sums, sums + 1, operands,
                     a, b, emulated);
}

std::string_view is_bf16(DType dtype) { return dtype == DType::bf16 ? "true" : "false"; }

}  // namespace

std::string group_helper(int columns, DType dtype) {
  return wgmma_text("multiply_group", columns, dtype, "int k, ", "tile_descriptor(a, k)", "tile_descriptor(b, k)",
                    fmt::format("mj_multiply_group(&sums[0][0], a, b, k, {}, {})", columns, is_bf16(dtype)));
}

std::string windows_helper(int columns, DType dtype) {
  return wgmma_text("multiply_windows", columns, dtype, "", "plain_descriptor(a, 16)",
                    fmt::format("plain_descriptor(b, {})", columns * 16),
                    fmt::format("mj_multiply_windows(&sums[0][0], a, b, {}, {})", columns, is_bf16(dtype)));
}

}  // namespace mj
