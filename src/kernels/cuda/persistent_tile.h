// SPDX-License-Identifier: Apache-2.0
// PersistentTile: how products by warpgroups that take tile after tile are cut, and a model of what that costs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kernels/cuda/estimate.h"

namespace mj {

struct PersistentTile {
  int rows = 0, columns = 0;  // of a tile: 128 or 256; a multiple of 64
  int blocks = 0;             // of the device
  int stages = 0;             // parts of the depth that lie in shared memory at a time
  bool resident = false;      // a block keeps all weights of its columns; otherwise they come with each stage
  int together = 1;           // blocks of a multiprocessor

  int stage_bytes() const;
  // Warpgroups that bring data: two where their registers leave enough for sums.
  int producers() const { return together > 1 || rows * columns > 64 * 128 * kGroups ? 1 : 2; }
  int threads() const { return 128 * (kGroups + producers()); }
  // Of a block; `steps` stages make up the depth.
  int shared_bytes(int64_t steps) const;
  bool operator==(const PersistentTile&) const = default;

  static constexpr int kGroups = 2;   // warpgroups that multiply
  static constexpr int kPassed = 64;  // columns of results that pass through shared memory at a time
};

// "tile=128x256,blocks=132,together=1,stages=4,weights=streamed"
std::string to_string(const PersistentTile& tile);
PersistentTile parse_persistent_tile(std::string_view config);

double persistent_seconds(const PersistentTile& tile, const ProductSizes& sizes, const GpuTarget& gpu);
// Worth a try, the best by the model first.
std::vector<PersistentTile> persistent_tiles_by_time(const ProductSizes& sizes, const GpuTarget& gpu, size_t most);

}  // namespace mj
