// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/persistent_text.h"

#include "base/check.h"
#include "kernels/cuda/barrier_text.h"
#include "kernels/cuda/tensor_core_text.h"
#include "kernels/cuda/vector_text.h"

namespace mj {
namespace {

constexpr size_t kConfigs = 7;            // worth a try, at most
constexpr int64_t kTypicalLength = 4096;  // of an axis whose length is a symbol
constexpr int kGroupThreads = 128, kProducer = PersistentTile::kGroups * kGroupThreads;

int64_t steps_of(const MmaProduct& product) { return (*product.depth.constant() + kStageDepth - 1) / kStageDepth; }

// Where everything lies in shared memory, and which tiles are this block's.
void write_places(KernelText& kernel, const PersistentTile& tile, const MmaProduct& product) {
  kernel.line("// Tiles of {} x {} results, one after the other.", tile.rows, tile.columns);
  kernel.line("const int rows = {}, columns = {}, k_end = {}, steps = {};", kernel.size(product.rows),
              kernel.size(product.columns), kernel.size(product.depth), steps_of(product));
  kernel.line("const int across = {}, tiles = across * {};", kernel.size(ceil_div(product.columns, tile.columns)),
              kernel.size(ceil_div(product.rows, tile.rows)));
  kernel.line("DYNAMIC_SHARED(unsigned char, shared);");
  kernel.line("const int kStage = {};  // elements", tile.stage_bytes() / 2);
  kernel.line("unsigned short* const a_tiles = (unsigned short*)shared;");
  kernel.line("unsigned short* const b_tiles = a_tiles + {};",
              tile.resident ? tile.stages * tile.stage_bytes() / 2 : tile.rows * kStageDepth);
  const int64_t weights = tile.resident ? steps_of(product) * tile.columns * kStageDepth * 2 : 0;
  const int64_t passed = tile.stages * tile.stage_bytes() + weights;
  kernel.line("float* const passed = (float*)(shared + {}) + threadIdx.x / 32 * {};", passed,
              16 * PersistentTile::kPassed);
  kernel.line("Barrier* const full = (Barrier*)(shared + {});  // of each slot: it has come",
              passed + PersistentTile::kGroups * 64 * PersistentTile::kPassed * 4);
  kernel.line("Barrier* const empty = full + {};  // of each slot: it has been used", tile.stages);
  kernel.line("Barrier* const weights = empty + {};", tile.stages);
  kernel.line("if (threadIdx.x == 0) {{");
  kernel.line("  for (int s = 0; s < {}; ++s) {{", tile.stages);
  kernel.line("    barrier_init(full + s, {});", tile.producers() * kGroupThreads + (tile.resident ? 0 : 1));
  kernel.line("    barrier_init(empty + s, {});", PersistentTile::kGroups * 4);
  kernel.line("  }}");
  kernel.line("  barrier_init(weights, 1);");
  kernel.line("  barrier_init_end();");
  kernel.line("}}");
  kernel.line("__syncthreads();");
}

// The loop over tiles; what follows is its body.
void write_tiles(KernelText& kernel, const PersistentTile& tile) {
  kernel.line("int slot = 0;");
  kernel.line("unsigned parity = 0;");
  kernel.line("for (int tile = blockIdx.x; tile < tiles; tile += gridDim.x) {{");
  kernel.line("const int column0 = tile % across * {}, row0 = tile / across * {};", tile.columns, tile.rows);
}

void write_next_slot(KernelText& kernel, const PersistentTile& tile) {
  kernel.line("  if (++slot == {}) slot = 0, parity ^= 1;", tile.stages);
}

// The warpgroups that bring data. Weights are asked for before the launch before this one has ended.
void write_producer(KernelText& kernel, const PersistentTile& tile, const MmaProduct& product) {
  Side a = operand_side("a", product.rows, tile.rows, tile.producers() * kGroupThreads, kernel, product.a);
  a.whole_depth = is_multiple(product.depth, kStageDepth);
  const std::string packed = kernel.packed(0, "unsigned short");
  const int image = tile.columns * kStageDepth;
  kernel.line("const int thread = threadIdx.x - {};", kProducer);
  const auto bring = [&](const char* to, const char* which, const char* barrier) {
    kernel.line("    copy_bulk<{}>({}, {} + ({}) * {}, {});", image * 2, to, packed, which, image, barrier);
  };
  if (tile.resident) {
    kernel.line("if (thread == 0) {{");
    kernel.line("  barrier_expect<{}>(weights);", steps_of(product) * image * 2);
    kernel.line("  for (int step = 0; step < steps; ++step)");
    bring(fmt::format("b_tiles + step * {}", image).c_str(), "blockIdx.x % across * steps + step", "weights");
    kernel.line("}}");
  }
  write_tiles(kernel, tile);
  write_load(kernel, a);
  kernel.line("for (int step = 0; step < steps; ++step) {{");
  kernel.line("  barrier_wait(empty + slot, parity ^ 1);");
  if (!tile.resident) {
    kernel.line("  if (thread == 0) {{");
    kernel.line("    barrier_expect<{}>(full + slot);", image * 2);
    bring("b_tiles + slot * kStage", "tile % across * steps + step", "full + slot");
    kernel.line("  }}");
  }
  kernel.line("  if (tile == blockIdx.x && step == 0) wait_for_previous();");
  kernel.line("  load_a(slot, step * {});", kStageDepth);
  kernel.line("  copies_arrive(full + slot);");
  write_next_slot(kernel, tile);
  kernel.line("}}");
  kernel.line("}}");
}

// What a thread stores of a part of the tile; without a test where all of it is inside, so that what is read for
// several results is under way together.
void write_stores(KernelText& kernel, const MmaProduct& product, bool whole) {
  constexpr int kPassed = PersistentTile::kPassed;
  const int width = product.store_width;
  kernel.line("  #pragma unroll");
  kernel.line("  for (int i = 0; i < {}; ++i) {{", 16 * kPassed / width / 32);
  kernel.line("    const int at = i * 32 + lane, row_in = at / {0}, column_in = at % {0} * {1};", kPassed / width,
              width);
  kernel.line("    const int row = row0 + first_row + half * 64 + row_in, column = column0 + begin + column_in;");
  if (!whole) kernel.line("    if (row >= rows || column >= columns) continue;");
  kernel.line("    const int chunk = place(row_in, column_in >> 2);");
  kernel.line("    float values[{}];", width);
  if (width < 4) {
    kernel.line("    for (int e = 0; e < {}; ++e)", width);
    kernel.line("      values[e] = passed[row_in * {} + (chunk << 2) + (column_in & 3) + e];", kPassed);
  }
  for (int e = 0; e + 4 <= width; e += 4) {
    kernel.line("    const float4 x{} = *(const float4*)(passed + row_in * {} + ((chunk ^ {}) << 2));", e, kPassed,
                e / 4);
    for (int i = 0; i < 4; ++i) kernel.line("    values[{}] = x{}.{};", e + i, e, "xyzw"[i]);
  }
  kernel.text(product.store(kernel));
  kernel.line("  }}");
}

// Each warp takes its own sums through shared memory, so that neighbouring threads store neighbouring columns.
void write_results(KernelText& kernel, const PersistentTile& tile, const MmaProduct& product) {
  constexpr int kPassed = PersistentTile::kPassed;
  const bool whole = is_multiple(product.rows, tile.rows) && is_multiple(product.columns, tile.columns);
  if (!whole) kernel.line("const bool inside = row0 + {} <= rows && column0 + {} <= columns;", tile.rows, tile.columns);
  kernel.line(
      "// Where a chunk of 16 bytes lies in its row, so that neither writing nor reading meets bank conflicts.");
  kernel.line("const auto place = [](int row, int chunk) {{ return chunk ^ (chunk >> 3 & 1) ^ (row & 3) << 1; }};");
  kernel.line("#pragma unroll");
  kernel.line("for (int part = 0; part < {}; ++part) {{",
              tile.rows / (PersistentTile::kGroups * 64) * tile.columns / kPassed);
  kernel.line("  const int half = part / {0}, begin = part % {0} * {1};", tile.columns / kPassed, kPassed);
  kernel.line("  __syncwarp();");
  kernel.line("  #pragma unroll");
  kernel.line("  for (int j = 0; j < {}; ++j) {{", kPassed / 8);
  kernel.line("    const float* const from = sums[half][begin / 8 + j];");
  kernel.line(
      "    float* const to = passed + lane / 4 * {} + (place(lane / 4, j * 2 + lane % 4 / 2) << 2) + lane % 2 * 2;",
      kPassed);
  kernel.line("    *(float2*)to = {{from[0], from[1]}};");
  kernel.line("    *(float2*)(to + {}) = {{from[2], from[3]}};", 8 * kPassed);
  kernel.line("  }}");
  kernel.line("  __syncwarp();");
  if (!whole) kernel.line("  if (inside) {{");
  write_stores(kernel, product, true);
  if (!whole) {
    kernel.line("  }} else {{");
    write_stores(kernel, product, false);
    kernel.line("  }}");
  }
  kernel.line("}}");
}

void write_consumers(KernelText& kernel, const PersistentTile& tile, const MmaProduct& product) {
  const int halves = tile.rows / (PersistentTile::kGroups * 64);  // of 64 rows, of a warpgroup
  kernel.helper(group_helper(tile.columns, product.dtype));
  kernel.line("const int lane = threadIdx.x % 32, group = threadIdx.x / {};", kGroupThreads);
  kernel.line("const int first_row = group * {} + threadIdx.x % {} / 32 * 16;", halves * 64, kGroupThreads);
  kernel.line("wait_for_previous();");
  if (tile.resident) kernel.line("barrier_wait(weights, 0);");
  write_tiles(kernel, tile);
  kernel.line("float sums[{}][{}][4];  // set by the first multiplication", halves, tile.columns / 8);
  kernel.line("int used = 0;");
  kernel.line("#pragma unroll 1");
  kernel.line("for (int step = 0; step < steps; ++step) {{");
  kernel.line("  barrier_wait(full + slot, parity);");
  kernel.line("  fence_async();");
  kernel.line("  const unsigned short* const a_tile = a_tiles + slot * kStage + group * {};",
              halves * 64 * kStageDepth);
  kernel.line("  const unsigned short* const b_tile = b_tiles + {};",
              tile.resident ? fmt::format("step * {}", tile.columns * kStageDepth) : "slot * kStage");
  kernel.line("  begin_group();");
  for (int k = 0; k < kStageDepth; k += 16) {
    for (int half = 0; half < halves; ++half) {
      kernel.line("  multiply_group_{}(sums[{}], a_tile + {}, b_tile, {}, {});", tile.columns, half,
                  half * 64 * kStageDepth, k, k == 0 ? "step > 0" : "true");
    }
  }
  kernel.line("  end_group();");
  kernel.line("  wait_groups<1>();");
  kernel.line("  if (step > 0 && lane == 0) barrier_arrive(empty + used);");
  kernel.line("  used = slot;");
  write_next_slot(kernel, tile);
  kernel.line("}}");
  kernel.line("wait_groups<0>();");
  kernel.line("if (lane == 0) barrier_arrive(empty + used);");
  write_results(kernel, tile, product);
  kernel.line("}}");
}

}  // namespace

Tensor tile_images(const Tensor& lines, int tile_columns) {
  const int64_t columns = lines.dims()[0], depth = lines.dims()[1];
  const int64_t across = (columns + tile_columns - 1) / tile_columns, steps = (depth + kStageDepth - 1) / kStageDepth;
  Tensor images = Tensor::zeros(lines.dtype(), {across, steps, tile_columns, kStageDepth});
  const auto* from = static_cast<const uint16_t*>(lines.raw());
  auto* const to = static_cast<uint16_t*>(images.mutable_raw());
  for (int64_t n = 0; n < columns; ++n) {
    const int64_t line = n % tile_columns;
    for (int64_t k = 0; k < depth; ++k) {
      uint16_t* const image = to + (n / tile_columns * steps + k / kStageDepth) * tile_columns * kStageDepth;
      const int64_t k_in = k % kStageDepth;
      image[line * kStageDepth + ((k_in / 8 ^ line % 8) * 8) + k_in % 8] = *from++;
    }
  }
  return images;
}

Generated persistent_product(const Problem& problem, std::string_view config, const MmaProduct& product) {
  const PersistentTile tile = parse_persistent_tile(config);
  const Dim across = ceil_div(product.columns, tile.columns);
  CHECK(!tile.resident || tile.blocks % *across.constant() == 0, "a block must keep to its columns");
  KernelText kernel(product.name, problem);
  kernel.helper(tensor_core_helpers());
  kernel.helper(barrier_helpers());
  kernel.waits_itself();
  kernel.blocks_together(tile.together);
  write_places(kernel, tile, product);
  kernel.line("if (threadIdx.x >= {}) {{", kProducer);
  write_producer(kernel, tile, product);
  kernel.line("}} else {{");
  write_consumers(kernel, tile, product);
  kernel.line("}}");
  const Dim tiles = across * ceil_div(product.rows, tile.rows);
  return std::move(kernel).finish({min(tiles, tile.blocks), 1, 1}, {tile.threads(), 1, 1},
                                  tile.shared_bytes(steps_of(product)));
}

std::vector<std::string> persistent_configs(const MmaProduct& product, const Target& target) {
  Bindings typical;
  for (const std::string& symbol : product.rows.symbols()) typical[symbol] = kTypicalLength;
  const std::optional<ProductSizes> sizes = sizes_of(product, typical);
  std::vector<std::string> configs;
  for (const PersistentTile& tile :
       persistent_tiles_by_time(sizes.value_or(ProductSizes{4096, 64, 64, 1}), *target.gpu, kConfigs))
    configs.push_back(to_string(tile));
  return configs;
}

std::optional<double> persistent_product_seconds(const Problem& problem, const MmaProduct& product,
                                                 const Target& target, const Bindings& bindings) {
  const std::optional<ProductSizes> sizes = sizes_of(product, bindings);
  if (!sizes) return std::nullopt;
  const double seconds = persistent_seconds(persistent_tiles_by_time(*sizes, *target.gpu, 1)[0], *sizes, *target.gpu);
  return gpu_seconds(problem, target, bindings, sizes->terms(), sizes->terms() / seconds);
}

Refusal persistent_refusal(const MmaProduct& product, const Target& target) {
  if (target.gpu->sm != 90) return "warpgroups are of sm_90 only";
  if (!product.packed) return "no constant matrix to be packed";
  if (product.depth.constant() == 0) return "nothing to add up";
  if (product.batches.constant() != 1) return "several products";
  if (!product.along_depth || product.a_width < 2) return "neighbours along the depth cannot be copied together";
  return std::nullopt;
}

}  // namespace mj
