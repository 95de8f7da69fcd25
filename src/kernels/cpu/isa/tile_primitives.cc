// SPDX-License-Identifier: Apache-2.0
// Compiled once per Isa: the elementwise loops.
#include "kernels/cpu/tile_primitives.h"

#include "kernels/cpu/isa/vmath.h"

namespace mj::cpu::MJ_ISA_NS {
namespace {

template <int Arity, class F>
inline void map(const TileStep& t, F f) {
  constexpr int kLanes = Vec::kLanes;
  const Vec a = splat(t.a), b = splat(t.b);
  int64_t i = 0;
  for (; i + kLanes <= t.n; i += kLanes) {
    const Vec x = load(t.in[0] + i);
    const Vec y = Arity > 1 ? load(t.in[1] + i) : x;
    const Vec z = Arity > 2 ? load(t.in[2] + i) : x;
    store(t.out + i, f(x, y, z, a, b));
  }
  const int rest = static_cast<int>(t.n - i);
  if (rest == 0) return;
  const Vec x = load_n(t.in[0] + i, rest);
  const Vec y = Arity > 1 ? load_n(t.in[1] + i, rest) : x;
  const Vec z = Arity > 2 ? load_n(t.in[2] + i, rest) : x;
  store_n(t.out + i, f(x, y, z, a, b), rest);
}

#define MJ_PRIMITIVE(name, arity, expression)                                                       \
  void run_##name(const TileStep& t) {                                                              \
    map<arity>(t, [](Vec x, [[maybe_unused]] Vec y, [[maybe_unused]] Vec z, [[maybe_unused]] Vec a, \
                     [[maybe_unused]] Vec b) { return expression; });                               \
  }
#include "kernels/cpu/tile_primitives.inc"
#undef MJ_PRIMITIVE

}  // namespace

extern const TilePrimitives kTilePrimitives;
const TilePrimitives kTilePrimitives = {{
#define MJ_PRIMITIVE(name, arity, expression) run_##name,
#include "kernels/cpu/tile_primitives.inc"
#undef MJ_PRIMITIVE
}};

}  // namespace mj::cpu::MJ_ISA_NS
