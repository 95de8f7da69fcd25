// SPDX-License-Identifier: Apache-2.0
// One LSTM layer in fp32, with ONNX's gates (i, o, f, c) and formulas. The products with x are done for many time steps
// at once; each step then multiplies h by R and finishes its units in the same task, while they are in L1.
// A sequence's result depends neither on threads nor on the other sequences of the batch.
#pragma once

#include <cstdint>

#include "base/isa.h"
#include "base/thread_pool.h"

namespace mj::cpu {

// Sizes of the packed constants of one direction. Units are padded to whole panels; the four gates of a panel's units
// lie side by side.
struct LstmPacked {
  int64_t w, r, bias, peephole;  // floats
  int64_t total() const { return w + r + bias + peephole; }
};
LstmPacked lstm_packed(Isa isa, int64_t inputs, int64_t hidden);
// w [4 * hidden][inputs], r [4 * hidden][hidden], bias [8 * hidden] or null, peephole [3 * hidden] or null, to
// dst: w, r, bias, peephole one after another.
void pack_lstm(Isa isa, int64_t inputs, int64_t hidden, const float* w, const float* r, const float* bias,
               const float* peephole, float* dst);

// Element strides let one description serve both of ONNX's layouts.
struct LstmLayer {
  int64_t steps = 0, batch = 0, inputs = 0, hidden = 0;
  bool backward = false;
  bool has_peephole = false;
  const float* packed = nullptr;     // of this direction
  const int32_t* lengths = nullptr;  // [batch], each in [0, steps], or null for all `steps`
  const float* x = nullptr;
  int64_t x_step = 0, x_row = 0;  // x of time t and sequence n stands at x + t * x_step + n * x_row
  // Initial and last states, `state_row` from one sequence to the next; any may be null (zeros; not wanted).
  const float *h0 = nullptr, *c0 = nullptr;
  float *h_last = nullptr, *c_last = nullptr;
  int64_t state_row = 0;
  float* y = nullptr;  // like x; null if not wanted. 0 beyond a sequence's length
  int64_t y_step = 0, y_row = 0;
};
// Bytes of workspace (64-byte aligned).
int64_t lstm_workspace(Isa isa, const LstmLayer& layer);
void lstm(ThreadPool& pool, Isa isa, const LstmLayer& layer, void* workspace);

}  // namespace mj::cpu
