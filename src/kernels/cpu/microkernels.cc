// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/microkernels.h"

#include "base/check.h"

namespace mj::cpu {

namespace portable {
extern const Microkernels kMicrokernels;
}
#if defined(__x86_64__)
namespace avx2 {
extern const Microkernels kMicrokernels;
}
namespace avx512 {
extern const Microkernels kMicrokernels;
}
#endif

const Microkernels& microkernels(Isa isa) {
  CHECK(can_run(isa), "this machine cannot run {} kernels", name(isa));
#if defined(__x86_64__)
  if (isa == Isa::avx512) return avx512::kMicrokernels;
  if (isa == Isa::avx2) return avx2::kMicrokernels;
#endif
  return portable::kMicrokernels;
}

}  // namespace mj::cpu
