// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/tile_program.h"
#include "kernels/estimate.h"
#include "kernels/pointwise/body.h"

namespace mj {
namespace {

Refusal refuses(const Problem& problem, const Target&) { return pointwise_refusal(problem); }

std::optional<double> estimate(const Problem& problem, const Target& target, const Bindings& bindings) {
  const cpu::TileProgram program(pointwise_body(problem), Isa::portable);
  return streaming_seconds(problem, target, bindings, program.operations());
}

}  // namespace

extern const SelectRow select_pointwise_f32;
const SelectRow select_pointwise_f32 = {"pointwise", "pointwise_f32", 1, refuses, one_config, estimate, pack_nothing};

}  // namespace mj
