// SPDX-License-Identifier: Apache-2.0
#include "runtime/placement.h"

#include <gtest/gtest.h>

#include <random>

namespace mj {
namespace {

void expect_apart(const std::vector<Block>& blocks, int64_t arena) {
  for (size_t i = 0; i < blocks.size(); ++i) {
    const Block& a = blocks[i];
    EXPECT_GE(a.offset, 0);
    EXPECT_LE(a.offset + a.bytes, arena);
    for (size_t k = 0; k < i; ++k) {
      const Block& b = blocks[k];
      const bool together = a.first <= b.last && b.first <= a.last;
      EXPECT_FALSE(together && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes) << i << " and " << k;
    }
  }
}

TEST(Placement, TheBoundIsWhatTheWorstStepNeeds) {
  EXPECT_EQ(largest_live({}, 3), 0);
  const std::vector<Block> blocks = {{10, 0, 1}, {20, 1, 2}, {5, 2, 2}};
  EXPECT_EQ(largest_live(blocks, 3), 30);
}

TEST(Placement, BlocksThatFollowEachOtherShareMemory) {
  std::vector<Block> blocks = {{64, 0, 1}, {64, 1, 2}, {64, 2, 3}};
  EXPECT_EQ(place(blocks, 128), 128);
  EXPECT_EQ(blocks[0].offset, blocks[2].offset);
}

TEST(Placement, WhereTheLargestFirstWastesMemoryAnotherOrderIsTaken) {
  // The largest first: the 9 and the 8 at 0, the 7 on the 9; then the 6, which meets 7 and 8, ends at 22.
  std::vector<Block> blocks = {{6, 1, 3}, {9, 0, 0}, {7, 0, 1}, {8, 2, 3}};
  const int64_t bound = largest_live(blocks, 5);
  EXPECT_EQ(bound, 16);
  const int64_t arena = place(blocks, bound);
  expect_apart(blocks, arena);
  EXPECT_EQ(arena, bound);
}

TEST(Placement, RandomBlocksNeverOverlapAndStayNearTheBound) {
  std::minstd_rand random(1);
  double worst = 0, sum = 0;
  constexpr int kRounds = 300;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<Block> blocks;
    const int steps = 1 + static_cast<int>(random() % 40);
    for (int i = 0; i < steps; ++i) {
      // As networks are: most results are read at once, a few much later.
      const int life = random() % 4 ? 1 : 1 + static_cast<int>(random() % 10);
      blocks.push_back({static_cast<int64_t>(64 * (1 + random() % 50)), i, std::min(i + life, steps)});
    }
    const int64_t bound = largest_live(blocks, static_cast<size_t>(steps) + 1), arena = place(blocks, bound);
    expect_apart(blocks, arena);
    EXPECT_GE(arena, bound);
    const double ratio = static_cast<double>(arena) / static_cast<double>(bound);
    worst = std::max(worst, ratio);
    sum += ratio;
    std::vector<Block> again = blocks;
    place(again, bound);
    for (size_t i = 0; i < blocks.size(); ++i) EXPECT_EQ(blocks[i].offset, again[i].offset);
  }
  EXPECT_LT(sum / kRounds, 1.02);
  EXPECT_LT(worst, 1.15);
}

}  // namespace
}  // namespace mj
