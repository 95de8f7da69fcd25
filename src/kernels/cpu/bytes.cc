// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/bytes.h"

#include "base/check.h"
#include "kernels/cpu/byte_tables.h"

namespace mj::cpu {

const ByteKernels& byte_kernels(Isa isa) {
  CHECK(can_run(isa), "this machine cannot run {} kernels", name(isa));
#if defined(__x86_64__)
  // Engines for AVX-512 run with and without VNNI: only the loops differ.
  if (isa == Isa::avx512) {
    return __builtin_cpu_supports("avx512vnni") ? avx512_vnni::kByteKernels : avx512::kByteKernels;
  }
  if (isa == Isa::avx2) return avx2::kByteKernels;
#endif
  return portable::kByteKernels;
}

}  // namespace mj::cpu
