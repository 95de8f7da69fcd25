// SPDX-License-Identifier: Apache-2.0
#include "runtime/placement.h"

#include <algorithm>
#include <array>
#include <numeric>

namespace mj {
namespace {

using Order = std::vector<size_t>;

constexpr size_t kMostWork = 1 << 18;  // pairs of blocks, about 0.2 ms: a new shape may wait no longer

// In this order, each at the lowest offset that is free all through its life.
int64_t place_in_order(std::span<Block> blocks, const Order& order) {
  std::vector<Block> placed;  // by offset; copies, so that looking through them is fast
  placed.reserve(blocks.size());
  int64_t end = 0;
  for (size_t i : order) {
    Block& block = blocks[i];
    int64_t at = 0;
    for (const Block& other : placed) {
      if (other.last < block.first || block.last < other.first) continue;
      if (at + block.bytes <= other.offset) break;
      at = std::max(at, other.offset + other.bytes);
    }
    block.offset = at;
    end = std::max(end, at + block.bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), block,
                                   [](const Block& x, const Block& y) { return x.offset < y.offset; }),
                  block);
  }
  return end;
}

template <class Key>
Order descending(std::span<const Block> blocks, Key key) {
  Order order(blocks.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return key(blocks[a]) > key(blocks[b]); });
  return order;
}

// Blocks of the step that needs the most come first: nothing that lives at other times then stands in their way.
int worst_step(std::span<const Block> blocks) {
  int64_t most = -1;
  int worst = 0;
  for (const Block& at : blocks) {
    int64_t live = 0;
    for (const Block& other : blocks) live += other.first <= at.first && at.first <= other.last ? other.bytes : 0;
    if (live > most) most = live, worst = at.first;
  }
  return worst;
}

}  // namespace

int64_t largest_live(std::span<const Block> blocks, size_t steps) {
  std::vector<int64_t> change(steps + 1, 0);
  for (const Block& block : blocks) {
    change[static_cast<size_t>(block.first)] += block.bytes;
    change[static_cast<size_t>(block.last) + 1] -= block.bytes;
  }
  int64_t live = 0, most = 0;
  for (int64_t delta : change) most = std::max(most, live += delta);
  return most;
}

// No order is best for all networks. The largest first is nearly always at the bound; others are tried only where it is
// not near, at last that in which those who reach the end come first.
int64_t place(std::span<Block> blocks, int64_t bound) {
  Order best = descending(blocks, [](const Block& b) { return b.bytes; });
  int64_t least = place_in_order(blocks, best);
  const int64_t good = bound + bound / 32;
  if (least <= good) return least;
  const int worst = worst_step(blocks);
  const auto length = [](const Block& b) { return int64_t{b.last} - b.first + 1; };
  const std::array others = {
      descending(blocks, [&](const Block& b) { return std::pair(b.first <= worst && worst <= b.last, b.bytes); }),
      descending(blocks, [&](const Block& b) { return static_cast<double>(b.bytes) * static_cast<double>(length(b)); }),
      descending(blocks, [&](const Block& b) { return std::pair(length(b), b.bytes); }),
      descending(blocks, [&](const Block& b) { return std::pair(-b.first, b.bytes); }),
      descending(blocks, [&](const Block& b) { return std::pair(b.last, b.bytes); }),
  };
  for (const Order& order : others) {
    const int64_t end = place_in_order(blocks, order);
    if (end >= least) continue;
    least = end;
    best = order;
    if (least <= good) return least;
  }
  Order order = best;
  for (size_t work = 0; work < kMostWork && least > good; work += blocks.size() * blocks.size() + 1) {
    const int64_t end = place_in_order(blocks, order);
    if (end < least) {
      least = end;
      best = order;
    }
    std::stable_partition(order.begin(), order.end(),
                          [&](size_t i) { return blocks[i].offset + blocks[i].bytes == end; });
  }
  return place_in_order(blocks, best);
}

}  // namespace mj
