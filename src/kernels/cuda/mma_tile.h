// SPDX-License-Identifier: Apache-2.0
// MmaTile: how products by tensor cores are cut into blocks and warps, and a model of what that costs.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/cuda/estimate.h"
#include "kernels/cuda/stage_text.h"

namespace mj {

struct MmaTile {
  int rows = 0, columns = 0;  // of a block; multiples of 16
  int warps_down = 1, warps_across = 1;
  int stages = 3;       // parts of the depth, 64 long, that lie in shared memory at a time
  bool groups = false;  // warpgroups multiply (wgmma, sm_90): 64 rows each, all columns
  int split = 1;        // blocks that share the depth of a tile: a cluster, which adds up in its order

  int warps() const { return warps_down * warps_across; }
  int threads() const { return warps() * 32; }
  int stage_bytes() const { return (rows + columns) * kDepth * 2; }
  int pitch() const { return columns + 8; }  // of sums in shared memory, in floats
  int shared_bytes() const;
  bool operator==(const MmaTile&) const = default;

  static constexpr int kDepth = kStageDepth;
};

// "tile=128x64,warps=2x2,stages=3,split=2", "tile=128x256,wgmma,stages=4,split=1"
std::string to_string(const MmaTile& tile);
MmaTile parse_mma_tile(std::string_view config);
std::vector<MmaTile> all_mma_tiles();  // without splits

double mma_seconds(const MmaTile& tile, const ProductSizes& sizes, const GpuTarget& gpu);
// Worth a try, the best by the model first; with warpgroups only if asked for. Splits only where there are clusters.
std::vector<MmaTile> mma_tiles_by_time(const ProductSizes& sizes, const GpuTarget& gpu, bool groups, size_t most);

}  // namespace mj
