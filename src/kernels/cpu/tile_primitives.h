// SPDX-License-Identifier: Apache-2.0
// The table of elementwise loops that isa/ compiles once per Isa, over stretches of floats.
#pragma once

#include <cstdint>

#include "base/isa.h"

namespace mj::cpu {

enum class Primitive : uint8_t {
#define MJ_PRIMITIVE(name, arity, expression) name,
#include "kernels/cpu/tile_primitives.inc"
#undef MJ_PRIMITIVE
  count
};

// out[i] = f(in[0][i], ...) for i in [0, n); out may be one of the inputs.
struct TileStep {
  const float* in[3];
  float* out;
  int64_t n;
  float a, b;  // parameters of some primitives: slope, bounds, ...
};

struct TilePrimitives {
  void (*run[static_cast<int>(Primitive::count)])(const TileStep&);
};

// The table for `isa`, which this machine must be able to run.
const TilePrimitives& tile_primitives(Isa isa);
int arity(Primitive primitive);

}  // namespace mj::cpu
