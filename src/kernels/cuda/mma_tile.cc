// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/mma_tile.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"

namespace mj {
namespace {

constexpr MmaTile group_tile(int rows, int columns, int stages) { return {rows, columns, rows / 16, 1, stages, true}; }

constexpr std::array kTiles = {MmaTile{256, 128, 4, 2, 3}, MmaTile{128, 256, 2, 4, 3}, MmaTile{128, 128, 2, 4, 3},
                               MmaTile{128, 128, 2, 2, 3}, MmaTile{128, 64, 2, 2, 4},  MmaTile{64, 128, 2, 2, 4},
                               MmaTile{64, 64, 2, 2, 4},   MmaTile{128, 32, 4, 1, 4},  MmaTile{64, 32, 2, 2, 4},
                               MmaTile{32, 64, 2, 2, 4},   MmaTile{32, 32, 2, 1, 4},   MmaTile{16, 64, 1, 4, 4},
                               group_tile(128, 256, 4),    group_tile(256, 128, 4),    group_tile(128, 128, 3),
                               group_tile(128, 128, 5),    group_tile(128, 64, 4),     group_tile(64, 256, 4),
                               group_tile(64, 128, 4),     group_tile(64, 64, 4),      group_tile(64, 32, 4)};
constexpr std::array<int, 4> kSplits = {1, 2, 4, 8};
constexpr double kSlower = 1.7;  // than the best by the model at most: what is worth a try

double rounded_up(double x, double to) { return std::ceil(x / to) * to; }

}  // namespace

int MmaTile::shared_bytes() const { return std::max(stages * stage_bytes(), rows * pitch() * 4); }

std::string to_string(const MmaTile& tile) {
  const std::string warps = tile.groups ? "wgmma" : fmt::format("warps={}x{}", tile.warps_down, tile.warps_across);
  return fmt::format("tile={}x{},{},stages={},split={}", tile.rows, tile.columns, warps, tile.stages, tile.split);
}

MmaTile parse_mma_tile(std::string_view config) {
  for (MmaTile tile : kTiles) {
    for (const int split : kSplits) {
      tile.split = split;
      if (to_string(tile) == config) return tile;
    }
  }
  CHECK(false, "no tile is called '{}'", config);
}

std::vector<MmaTile> all_mma_tiles() { return {kTiles.begin(), kTiles.end()}; }

// Blocks run in waves. A step along the depth takes as long as its multiplications or as what it reads, of which
// several are on their way at a time; a block begins with a wait for memory and ends with a pass of its sums through
// shared memory. Blocks of much shared memory cannot begin beside the launch before. Constants: fitted by eye to an
// H100 on which each tile ran the layers of ResNet-50 and BERT-base at batches 1 and 128 (2026-11-23).
double mma_seconds(const MmaTile& tile, const ProductSizes& sizes, const GpuTarget& gpu) {
  constexpr double kBegin = 0.9e-6, kEnd = 0.4e-6, kStep = 0.8e-6;  // of a block; kStep: one stage all alone
  constexpr double kNoOverlap = 1.5e-6, kCluster = 0.5e-6, kPart = 0.12e-6;
  const double blocks =
      std::ceil(sizes.rows / tile.rows) * std::ceil(sizes.columns / tile.columns) * sizes.batches * tile.split;
  const double steps = std::ceil(rounded_up(sizes.depth, MmaTile::kDepth) / MmaTile::kDepth / tile.split);
  const double fit = std::clamp(std::floor(static_cast<double>(gpu.shared_bytes) / (tile.shared_bytes() + 1024.0)), 1.0,
                                std::floor(2048.0 / tile.threads()));
  const double here = std::ceil(blocks / gpu.multiprocessors);  // blocks of one multiprocessor
  const double together = std::min(here, fit);
  // 512 multiply-adds a clock and tensor core of sm_90; mma.sync reaches some 60 % of it, less in small warps.
  const double warp_sums = static_cast<double>(tile.rows) * tile.columns / tile.warps();
  const double use = tile.groups
                         ? 0.85 * tile.columns / (tile.columns + 24.0) * std::min(1.0, together * tile.warps() / 8)
                         : 0.55 * warp_sums / (warp_sums + 700) * std::min(1.0, together * tile.warps() / 6);
  const double per_second = (gpu.sm >= 90 ? 2048 : gpu.sm == 80 ? 1024 : 512) * gpu.clock_hz * use;
  const double products = here * steps * tile.rows * tile.columns * MmaTile::kDepth / per_second;
  const double l2 = gpu.bytes_per_second * 2.4 / gpu.multiprocessors;
  const double reads = here * steps * tile.stage_bytes() / l2;
  const double waits = std::ceil(here / fit) * (kBegin + steps * kStep / (tile.stages - 1));
  const double stores = here * tile.rows * tile.columns * 5.0 / l2;
  const double overlap = tile.shared_bytes() * 2 > gpu.shared_bytes ? kNoOverlap : 0;
  return std::max({products, reads, waits}) + stores + kEnd + overlap +
         (tile.split > 1 ? kCluster + kPart * tile.split : 0);
}

std::vector<MmaTile> mma_tiles_by_time(const ProductSizes& sizes, const GpuTarget& gpu, bool groups, size_t most) {
  std::vector<std::pair<double, MmaTile>> timed;
  for (MmaTile tile : kTiles) {
    if (tile.shared_bytes() > gpu.shared_bytes || (tile.groups && !(groups && gpu.sm == 90))) continue;
    for (const int split : kSplits) {
      tile.split = split;
      if (split > 1 && (gpu.sm < 90 || sizes.depth < split * MmaTile::kDepth * 1.5)) break;
      timed.emplace_back(mma_seconds(tile, sizes, gpu), tile);
    }
  }
  std::stable_sort(timed.begin(), timed.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<MmaTile> tiles;
  for (const auto& [seconds, tile] : timed) {
    if (tiles.size() < most && seconds <= kSlower * timed[0].first) tiles.push_back(tile);
  }
  return tiles;
}

}  // namespace mj
