// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/persistent_tile.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "base/check.h"
#include "kernels/cuda/stage_text.h"

namespace mj {
namespace {

constexpr std::array<std::array<int, 2>, 6> kTiles = {
    {{128, 256}, {256, 128}, {128, 128}, {256, 64}, {128, 64}, {128, 192}}};
constexpr int kLeastStages = 3, kMostStages = 8;
constexpr int kShareable = 128 * 64;  // results of a tile whose sums leave registers for a second block
constexpr double kSlower = 1.5;       // than the best by the model at most: what is worth a try

int64_t steps_of(double depth) { return static_cast<int64_t>(std::ceil(depth / kStageDepth)); }

// As many stages as there is room for; 0 if that is too few to be of use.
int fitting_stages(PersistentTile tile, int64_t steps, const GpuTarget& gpu) {
  for (tile.stages = kMostStages; tile.stages >= kLeastStages; --tile.stages) {
    if (blocks_by_shared_bytes(gpu, tile.shared_bytes(steps)) >= tile.together) return tile.stages;
  }
  return 0;
}

}  // namespace

int PersistentTile::stage_bytes() const { return (rows + (resident ? 0 : columns)) * kStageDepth * 2; }

int PersistentTile::shared_bytes(int64_t steps) const {
  const int64_t weights = resident ? steps * columns * kStageDepth * 2 : 0;
  const int64_t passed = kGroups * 64 * kPassed * 4, barriers = (2 * kMostStages + 1) * 8;
  return static_cast<int>(std::min<int64_t>(stages * stage_bytes() + weights + passed + barriers, 1 << 30));
}

std::string to_string(const PersistentTile& tile) {
  return fmt::format("tile={}x{},blocks={},together={},stages={},weights={}", tile.rows, tile.columns, tile.blocks,
                     tile.together, tile.stages, tile.resident ? "resident" : "streamed");
}

PersistentTile parse_persistent_tile(std::string_view config) {
  PersistentTile tile;
  const std::string text(config);
  const int read = std::sscanf(text.c_str(), "tile=%dx%d,blocks=%d,together=%d,stages=%d", &tile.rows, &tile.columns,
                               &tile.blocks, &tile.together, &tile.stages);
  tile.resident = text.ends_with("weights=resident");
  CHECK(read == 5 && to_string(tile) == text, "no tile is called '{}'", config);
  return tile;
}

// A block takes its tiles one after the other. While one is multiplied, or its results are stored, stages of the next
// are on their way; a stage takes as long as its multiplications, as its bytes from L2, or as those who bring a. Where
// two blocks share a multiprocessor, one multiplies while the other one stores.
// Constants: fitted by eye to an H100 (2026-11-23).
double persistent_seconds(const PersistentTile& tile, const ProductSizes& sizes, const GpuTarget& gpu) {
  constexpr double kBegin = 4e-6, kEnd = 0.6e-6;  // of a block; of a tile
  constexpr double kBringing = 26;                // bytes of a, a clock
  const double tiles = std::ceil(sizes.columns / tile.columns) * std::ceil(sizes.rows / tile.rows);
  const double rounds = std::ceil(tiles / tile.blocks), steps = static_cast<double>(steps_of(sizes.depth));
  const double per_second = 2048 * gpu.clock_hz * 0.9 * tile.columns / (tile.columns + 16.0);
  const double products = static_cast<double>(tile.rows) * tile.columns * kStageDepth / per_second;
  const double l2 = gpu.bytes_per_second * 3.2 / gpu.multiprocessors;
  const double bringing = tile.rows * 128 / (kBringing * gpu.clock_hz);
  const double stage = std::max({products, tile.stage_bytes() / l2, bringing});
  const double stores = tile.rows * tile.columns * 4.0 / l2;
  return kBegin +
         rounds * std::max({tile.together * steps * stage, tile.together * stores, steps * stage + stores + kEnd});
}

std::vector<PersistentTile> persistent_tiles_by_time(const ProductSizes& sizes, const GpuTarget& gpu, size_t most) {
  std::vector<std::pair<double, PersistentTile>> timed;
  const int64_t steps = steps_of(sizes.depth);
  for (const auto& [rows, columns] : kTiles) {
    if (columns >= 128 && sizes.columns <= columns / 2.0) continue;  // half of it would be empty
    for (const auto& [resident, together] : {std::pair(false, 1), {true, 1}, {false, 2}, {true, 2}}) {
      if (together > 1 && rows * columns > kShareable) continue;
      PersistentTile tile{rows, columns, gpu.multiprocessors * together, 0, resident, together};
      const int across = static_cast<int>(std::ceil(sizes.columns / columns));
      if (resident && across > tile.blocks) continue;
      if (resident) tile.blocks = tile.blocks / across * across;  // each keeps to its columns
      tile.stages = fitting_stages(tile, steps, gpu);
      if (tile.stages) timed.emplace_back(persistent_seconds(tile, sizes, gpu), tile);
    }
  }
  std::stable_sort(timed.begin(), timed.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<PersistentTile> tiles;
  for (const auto& [seconds, tile] : timed) {
    if (tiles.size() < most && seconds <= kSlower * timed[0].first) tiles.push_back(tile);
  }
  return tiles;
}

}  // namespace mj
