// SPDX-License-Identifier: Apache-2.0
// Compiled once per Isa: the table of inner loops.
#include "kernels/cpu/microkernels.h"

#include <utility>

#include "kernels/cpu/isa/depthwise.h"
#include "kernels/cpu/isa/lstm_cell.h"
#include "kernels/cpu/isa/pack_rows.h"
#include "kernels/cpu/isa/peak_loop.h"
#include "kernels/cpu/isa/pool_pixel.h"
#include "kernels/cpu/isa/tile.h"
#include "kernels/cpu/isa/winograd.h"

namespace mj::cpu::MJ_ISA_NS {

extern const Microkernels kMicrokernels;

namespace {

// kWidePanels: panels that a tile of 1, 2, ... rows takes at once.
#if defined(__AVX512F__)
// 12 x 32: 24 sums, 2 weights and one spare of 32 registers; more rows would not find 12 address registers.
constexpr Isa kIsa = Isa::avx512;
constexpr int kWidePanels[] = {4, 4, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1};
#elif defined(__AVX2__)
// 6 x 16: 12 sums, 2 weights and one broadcast of 16 registers.
constexpr Isa kIsa = Isa::avx2;
constexpr int kWidePanels[] = {4, 2, 2, 1, 1, 1};
#elif defined(__aarch64__)
// 8 x 8: 16 sums of 32 registers.
constexpr Isa kIsa = Isa::portable;
constexpr int kWidePanels[] = {4, 4, 2, 2, 1, 1, 1, 1};
#else
// 4 x 8: 8 sums of 16 SSE registers.
constexpr Isa kIsa = Isa::portable;
constexpr int kWidePanels[] = {4, 2, 1, 1};
#endif
constexpr int kMr = sizeof(kWidePanels) / sizeof(int), kKc = 256;

template <int... kRow>
constexpr Microkernels table(std::integer_sequence<int, kRow...>) {
  return {kIsa,
          kMr,
          2 * Vec::kLanes,
          kKc,
          {tile<kRow + 1, 1, 2>...},
          {tile<kRow + 1, kWidePanels[kRow], 2>...},
          {kWidePanels[kRow]...},
          {{tile<kRow + 1, 1, 1, true>...}, {tile<kRow + 1, 1, 2, true>...}},
          depthwise,
          depthwise_row,
          lstm_cell,
          pool_pixel,
          winograd_input,
          winograd_output,
          pack_rows,
          peak_loop};
}

}  // namespace

constinit const Microkernels kMicrokernels = table(std::make_integer_sequence<int, kMr>());

}  // namespace mj::cpu::MJ_ISA_NS
