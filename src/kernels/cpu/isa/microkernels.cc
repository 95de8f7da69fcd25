// SPDX-License-Identifier: Apache-2.0
// Compiled once per Isa: the table of inner loops.
#include "kernels/cpu/microkernels.h"

#include "kernels/cpu/isa/depthwise.h"
#include "kernels/cpu/isa/lstm_cell.h"
#include "kernels/cpu/isa/pack_rows.h"
#include "kernels/cpu/isa/peak_loop.h"
#include "kernels/cpu/isa/pool_pixel.h"
#include "kernels/cpu/isa/tile.h"
#include "kernels/cpu/isa/winograd.h"

namespace mj::cpu::MJ_ISA_NS {

extern const Microkernels kMicrokernels;

#if defined(__AVX512F__)
// 12 x 32: 24 sums, 2 weights and one spare of 32 registers; more rows would not find 12 address registers.
const Microkernels kMicrokernels = {
    Isa::avx512,
    12,
    32,
    256,
    {tile<1, 1, 2>, tile<2, 1, 2>, tile<3, 1, 2>, tile<4, 1, 2>, tile<5, 1, 2>, tile<6, 1, 2>, tile<7, 1, 2>,
     tile<8, 1, 2>, tile<9, 1, 2>, tile<10, 1, 2>, tile<11, 1, 2>, tile<12, 1, 2>},
    {tile<1, 4, 2>, tile<2, 4, 2>, tile<3, 2, 2>, tile<4, 2, 2>, tile<5, 1, 2>, tile<6, 1, 2>, tile<7, 1, 2>,
     tile<8, 1, 2>, tile<9, 1, 2>, tile<10, 1, 2>, tile<11, 1, 2>, tile<12, 1, 2>},
    {4, 4, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1},
    {{tile<1, 1, 1, true>, tile<2, 1, 1, true>, tile<3, 1, 1, true>, tile<4, 1, 1, true>, tile<5, 1, 1, true>,
      tile<6, 1, 1, true>, tile<7, 1, 1, true>, tile<8, 1, 1, true>, tile<9, 1, 1, true>, tile<10, 1, 1, true>,
      tile<11, 1, 1, true>, tile<12, 1, 1, true>},
     {tile<1, 1, 2, true>, tile<2, 1, 2, true>, tile<3, 1, 2, true>, tile<4, 1, 2, true>, tile<5, 1, 2, true>,
      tile<6, 1, 2, true>, tile<7, 1, 2, true>, tile<8, 1, 2, true>, tile<9, 1, 2, true>, tile<10, 1, 2, true>,
      tile<11, 1, 2, true>, tile<12, 1, 2, true>}},
    depthwise,
    depthwise_row,
    lstm_cell,
    pool_pixel,
    winograd_input,
    winograd_output,
    pack_rows,
    peak_loop};
#elif defined(__AVX2__)
// 6 x 16: 12 sums, 2 weights and one broadcast of 16 registers.
const Microkernels kMicrokernels = {
    Isa::avx2,
    6,
    16,
    256,
    {tile<1, 1, 2>, tile<2, 1, 2>, tile<3, 1, 2>, tile<4, 1, 2>, tile<5, 1, 2>, tile<6, 1, 2>},
    {tile<1, 4, 2>, tile<2, 2, 2>, tile<3, 2, 2>, tile<4, 1, 2>, tile<5, 1, 2>, tile<6, 1, 2>},
    {4, 2, 2, 1, 1, 1},
    {{tile<1, 1, 1, true>, tile<2, 1, 1, true>, tile<3, 1, 1, true>, tile<4, 1, 1, true>, tile<5, 1, 1, true>,
      tile<6, 1, 1, true>},
     {tile<1, 1, 2, true>, tile<2, 1, 2, true>, tile<3, 1, 2, true>, tile<4, 1, 2, true>, tile<5, 1, 2, true>,
      tile<6, 1, 2, true>}},
    depthwise,
    depthwise_row,
    lstm_cell,
    pool_pixel,
    winograd_input,
    winograd_output,
    pack_rows,
    peak_loop};
#elif defined(__aarch64__)
// 8 x 8: 16 sums of 32 registers.
const Microkernels kMicrokernels = {
    Isa::portable,
    8,
    8,
    256,
    {tile<1, 1, 2>, tile<2, 1, 2>, tile<3, 1, 2>, tile<4, 1, 2>, tile<5, 1, 2>, tile<6, 1, 2>, tile<7, 1, 2>,
     tile<8, 1, 2>},
    {tile<1, 4, 2>, tile<2, 4, 2>, tile<3, 2, 2>, tile<4, 2, 2>, tile<5, 1, 2>, tile<6, 1, 2>, tile<7, 1, 2>,
     tile<8, 1, 2>},
    {4, 4, 2, 2, 1, 1, 1, 1},
    {{tile<1, 1, 1, true>, tile<2, 1, 1, true>, tile<3, 1, 1, true>, tile<4, 1, 1, true>, tile<5, 1, 1, true>,
      tile<6, 1, 1, true>, tile<7, 1, 1, true>, tile<8, 1, 1, true>},
     {tile<1, 1, 2, true>, tile<2, 1, 2, true>, tile<3, 1, 2, true>, tile<4, 1, 2, true>, tile<5, 1, 2, true>,
      tile<6, 1, 2, true>, tile<7, 1, 2, true>, tile<8, 1, 2, true>}},
    depthwise,
    depthwise_row,
    lstm_cell,
    pool_pixel,
    winograd_input,
    winograd_output,
    pack_rows,
    peak_loop};
#else
// 4 x 8: 8 sums of 16 SSE registers.
const Microkernels kMicrokernels = {
    Isa::portable,
    4,
    8,
    256,
    {tile<1, 1, 2>, tile<2, 1, 2>, tile<3, 1, 2>, tile<4, 1, 2>},
    {tile<1, 4, 2>, tile<2, 2, 2>, tile<3, 1, 2>, tile<4, 1, 2>},
    {4, 2, 1, 1},
    {{tile<1, 1, 1, true>, tile<2, 1, 1, true>, tile<3, 1, 1, true>, tile<4, 1, 1, true>},
     {tile<1, 1, 2, true>, tile<2, 1, 2, true>, tile<3, 1, 2, true>, tile<4, 1, 2, true>}},
    depthwise,
    depthwise_row,
    lstm_cell,
    pool_pixel,
    winograd_input,
    winograd_output,
    pack_rows,
    peak_loop};
#endif

}  // namespace mj::cpu::MJ_ISA_NS
