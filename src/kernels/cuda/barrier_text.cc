// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/barrier_text.h"

namespace mj {

std::string_view barrier_helpers() {
  return R"(#ifndef MJ_EMULATED
typedef unsigned long long Barrier;
__device__ __forceinline__ void barrier_init(Barrier* b, int count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(b)), "r"(count) : "memory");
}
__device__ __forceinline__ void barrier_init_end() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
__device__ __forceinline__ void barrier_wait(Barrier* b, unsigned parity) {
  asm volatile(
      "{\n\t.reg .pred done;\n\t"
      "again:\n\tmbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n\t"
      "@done bra over;\n\tbra again;\n\tover:\n\t}" ::"r"(shared_address(b)), "r"(parity) : "memory");
}
template <int kBytes>
__device__ __forceinline__ void barrier_expect(Barrier* b) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(b)), "n"(kBytes) : "memory");
}
__device__ __forceinline__ void barrier_arrive(Barrier* b) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(b)) : "memory");
}
__device__ __forceinline__ void copies_arrive(Barrier* b) {
  asm volatile("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];" ::"r"(shared_address(b)) : "memory");
}
template <int kBytes>
__device__ __forceinline__ void copy_bulk(void* to, const void* from, Barrier* b) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];"
               ::"r"(shared_address(to)), "l"(from), "n"(kBytes), "r"(shared_address(b)) : "memory");
}
#endif
)";
}

}  // namespace mj
