// SPDX-License-Identifier: Apache-2.0
// How a block of threads brings parts of an operand of a matrix product to shared memory: lines (rows of a, columns of
// b) by stages of kStageDepth along the depth, by cp.async, in rows of 128 bytes whose 16-byte chunks are permuted by
// the row's number, so that neither those who write nor tensor cores meet bank conflicts.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "kernels/cuda/kernel_text.h"

namespace mj {

inline constexpr int kStageDepth = 64;  // 128 bytes of 16-bit elements

// Texts by which a block reads one operand; a `line` is a row of a or a column of b.
struct MmaOperand {
  bool along_depth = true;     // are neighbours in memory those along k, or those of neighbouring lines?
  int width = 1;               // 8, 4, 2, 1: neighbours that are aligned together and are all inside or none
  bool constant = false;       // may be read before the launch before this one has ended
  std::string declarations;    // before all else; arrays of [loads] are for `setup` to fill
  std::string setup;           // for load `i`, which is always of `line` (with along_depth only)
  std::string at_k;            // before the loads of a stage that are all at `k` (with along_depth only)
  std::string lines;           // before element (`line`, `k`) of load `i` is read
  std::string inside;          // a condition without which the element is 0; empty: none
  std::string pointer, index;  // of the element
};

// `loads` is the length of arrays with one element for each load of a thread.
using MmaOperandTexts = std::function<MmaOperand(KernelText& kernel, int loads)>;

// A tile of an operand and the threads that load it.
struct Side {
  std::string name, line0, lines_all;  // "a"; the tile's first line; how many there are of the whole operand
  int lines = 0;                       // of the tile
  int threads = 0;
  MmaOperand operand;
  bool whole_lines = false, whole_depth = false;  // is all of every tile, or stage, inside the operand?

  // One load is `width` elements.
  int loads() const { return lines * kStageDepth / operand.width / threads; }
};

// Of `all` lines, by `lines` at a time.
Side operand_side(std::string_view name, const Dim& all, int lines, int threads, KernelText& kernel,
                  const MmaOperandTexts& texts);

// Where element (`line_in`, `k_in`), both within the tile, lies in shared memory, in elements.
std::string place_text(const Side& side);

// Text that defines load_a(slot, k0) or load_b(slot, k0), to be called by the threads 0 <= `thread` < side.threads: it
// starts copies to {a,b}_tiles + slot * kStage. Names it uses: line0, lines_all, k_end.
void write_load(KernelText& kernel, const Side& side);

}  // namespace mj
