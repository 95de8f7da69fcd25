// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/tile_primitives.h"

#include "base/check.h"

namespace mj::cpu {

namespace portable {
extern const TilePrimitives kTilePrimitives;
}
#if defined(__x86_64__)
namespace avx2 {
extern const TilePrimitives kTilePrimitives;
}
namespace avx512 {
extern const TilePrimitives kTilePrimitives;
}
#endif

const TilePrimitives& tile_primitives(Isa isa) {
  CHECK(can_run(isa), "this machine cannot run {} kernels", name(isa));
#if defined(__x86_64__)
  if (isa == Isa::avx512) return avx512::kTilePrimitives;
  if (isa == Isa::avx2) return avx2::kTilePrimitives;
#endif
  return portable::kTilePrimitives;
}

int arity(Primitive primitive) {
  static constexpr int kArity[] = {
#define MJ_PRIMITIVE(name, arity, expression) arity,
#include "kernels/cpu/tile_primitives.inc"
#undef MJ_PRIMITIVE
  };
  return kArity[static_cast<int>(primitive)];
}

}  // namespace mj::cpu
