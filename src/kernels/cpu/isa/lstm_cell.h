// SPDX-License-Identifier: Apache-2.0
// The elementwise part of one LSTM step; see LstmCellArgs in microkernels.h.
#pragma once

#include "kernels/cpu/isa/vmath.h"
#include "kernels/cpu/microkernels.h"
#include "kernels/cpu/simd.h"

namespace mj::cpu::MJ_ISA_NS {

inline void lstm_cell(const LstmCellArgs& s) {
  constexpr int kNr = 2 * Vec::kLanes;
  for (int64_t j = 0; j < kNr; j += Vec::kLanes) {
    const auto gate = [&](int64_t g) { return load(s.gates + g * kNr + j); };
    const Vec c = load(s.c + j);
    Vec in = gate(0), out = gate(1), forget = gate(2);
    if (s.peephole) {
      in = fma(load(s.peephole + j), c, in);
      forget = fma(load(s.peephole + 2 * s.peephole_stride + j), c, forget);
    }
    const Vec next = fma(sigmoid(forget), c, sigmoid(in) * tanh(gate(3)));
    if (s.peephole) out = fma(load(s.peephole + s.peephole_stride + j), next, out);
    store(s.c + j, next);
    store(s.h + j, sigmoid(out) * tanh(next));
  }
}

}  // namespace mj::cpu::MJ_ISA_NS
