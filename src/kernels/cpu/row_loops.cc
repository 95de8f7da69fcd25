// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/row_loops.h"

#include "base/check.h"

namespace mj::cpu {

namespace portable {
extern const RowLoops kRowLoops;
}
#if defined(__x86_64__)
namespace avx2 {
extern const RowLoops kRowLoops;
}
namespace avx512 {
extern const RowLoops kRowLoops;
}
#endif

const RowLoops& row_loops(Isa isa) {
  CHECK(can_run(isa), "this machine cannot run {} kernels", name(isa));
#if defined(__x86_64__)
  if (isa == Isa::avx512) return avx512::kRowLoops;
  if (isa == Isa::avx2) return avx2::kRowLoops;
#endif
  return portable::kRowLoops;
}

}  // namespace mj::cpu
