// SPDX-License-Identifier: Apache-2.0
// Placement: where blocks of memory lie in one arena, given when each is needed.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace mj {

// A stretch of memory that is needed from step `first` to step `last`.
struct Block {
  int64_t bytes;
  int first, last;
  int64_t offset = 0;
};

// The most bytes that are needed at one step, of steps 0 to `steps` - 1: no arena can be smaller.
int64_t largest_live(std::span<const Block> blocks, size_t steps);

// Gives each block an offset so that no two that are needed at the same step overlap; the bytes of the arena.
// `bound` is their largest_live(). Deterministic. Of n blocks it takes some n * n steps.
int64_t place(std::span<Block> blocks, int64_t bound);

}  // namespace mj
