// SPDX-License-Identifier: Apache-2.0
// Products as in mma_text.h of a computed operand a and constant weights b, for many rows, on sm_90: as many blocks as
// the device runs at a time, each of which takes tile after tile. One or two of a block's warpgroups bring data, by
// cp.async for a and in bulk for b, which is packed as it shall lie in shared memory; two others multiply (wgmma)
// and store results, while what the next tile needs is on its way already. Clusters whose blocks bring each other b
// (multicast) were tried and gained nothing on an H100 (2026-11-23), as did asking L2 for residuals beforehand.
#pragma once

#include "kernels/cuda/mma_text.h"
#include "kernels/cuda/persistent_tile.h"

namespace mj {

// `config` as in persistent_tile.h. packed tensor 0 is what tile_images() gives.
Generated persistent_product(const Problem& problem, std::string_view config, const MmaProduct& product);

// `lines` [columns, depth] as tiles: [column tiles, stages, columns of a tile, kStageDepth], filled up with zeros and
// permuted as stage_text.h has it.
Tensor tile_images(const Tensor& lines, int tile_columns);

std::vector<std::string> persistent_configs(const MmaProduct& product, const Target& target);
std::optional<double> persistent_product_seconds(const Problem& problem, const MmaProduct& product,
                                                 const Target& target, const Bindings& bindings);
Refusal persistent_refusal(const MmaProduct& product, const Target& target);

// The row of such products. `pack_lines` gives weights as [columns, depth], `refuses_mma` refuses what tensor cores
// don't take at all.
template <MmaProduct (*product_of)(const Problem& problem), RefuseProblem refuses_mma, PackConstants pack_lines>
constexpr SelectRow persistent_gpu_row(std::string_view family, std::string_view name) {
  return product_gpu_row<product_of, persistent_configs, persistent_product_seconds, persistent_product>(
      family, name,
      [](const Problem& problem, const Target& target) -> Refusal {
        if (Refusal reason = refuses_mma(problem, target)) return reason;
        return persistent_refusal(product_of(problem), target);
      },
      [](const Problem& problem, const Target& target, std::string_view config,
         std::span<const Tensor> constants) -> Result<Packed> {
        MJ_ASSIGN(Packed packed, pack_lines(problem, target, config, constants));
        packed.tensors[0] = tile_images(packed.tensors[0], parse_persistent_tile(config).columns);
        return packed;
      },
      2);
}

}  // namespace mj
