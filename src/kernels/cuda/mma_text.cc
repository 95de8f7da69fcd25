// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/mma_text.h"

#include <algorithm>

#include "kernels/cuda/anchor.h"
#include "kernels/cuda/estimate.h"
#include "kernels/cuda/stage_text.h"
#include "kernels/cuda/tensor_core_text.h"
#include "kernels/cuda/vector_text.h"

namespace mj {
namespace {

constexpr int kDepth = kStageDepth;
constexpr size_t kConfigs = 8;          // worth a try, at most
constexpr int64_t kTypicalLength = 16;  // of an axis whose length is a symbol

// Which tile, of which batch and which part of the depth.
void write_place(KernelText& kernel, const MmaTile& tile, const MmaProduct& product) {
  kernel.line("// A tile of {} x {} results; each of {} warps makes {} x {} of them.", tile.rows, tile.columns,
              tile.warps(), tile.rows / tile.warps_down, tile.columns / tile.warps_across);
  kernel.line("const int rows = {}, columns = {}, depth = {};", kernel.size(product.rows), kernel.size(product.columns),
              kernel.size(product.depth));
  const std::string across = kernel.size(ceil_div(product.columns, tile.columns));
  const std::string down = kernel.size(ceil_div(product.rows, tile.rows));
  kernel.line("const int thread = threadIdx.x, lane = thread % 32;");
  kernel.line("const int block = blockIdx.x{};", tile.split > 1 ? fmt::format(" / {}", tile.split) : "");
  kernel.line("const int column0 = block % {} * {};", across, tile.columns);
  if (product.batches.constant() == 1) {
    kernel.line("const int row0 = block / {} * {};", across, tile.rows);
  } else {
    kernel.line("const int row0 = block / {} % {} * {}, batch = block / {} / {};", across, down, tile.rows, across,
                down);
  }
  if (tile.split == 1) {
    kernel.line("const int k_begin = 0, k_end = depth;");
    return;
  }
  const Dim length = ceil_div(ceil_div(product.depth, kDepth), tile.split) * kDepth;
  kernel.line("const int part = blockIdx.x % {};", tile.split);
  kernel.line("const int k_begin = min(part * {0}, depth), k_end = min(k_begin + {0}, depth);", kernel.size(length));
}

// Four warps multiply tiles as they lie in shared memory.
void write_group_multiply(KernelText& kernel, const MmaTile& tile, DType dtype) {
  kernel.helper(group_helper(tile.columns, dtype));
  kernel.line("float sums[1][{}][4] = {{}};", tile.columns / 8);
  kernel.line("const int warp_row = thread / 32 * 16, warp_column = 0;");
  kernel.line("const auto multiply = [&](int slot) {{");
  kernel.line("  const unsigned short* const a_tile = a_tiles + slot * kStage + thread / 128 * {};", 64 * kDepth);
  kernel.line("  const unsigned short* const b_tile = b_tiles + slot * kStage;");
  kernel.line("  begin_group();");
  for (int k = 0; k < kDepth; k += 16)
    kernel.line("  multiply_group_{}(sums[0], a_tile, b_tile, {}, true);", tile.columns, k);
  kernel.line("  end_group();");
  kernel.line("}};");
}

// A warp's fragments of one operand for 16 of the depth, and the multiplications by them.
void write_multiply(KernelText& kernel, const MmaTile& tile, const Side& a, const Side& b, DType dtype) {
  const int down = tile.rows / tile.warps_down / 16, across = tile.columns / tile.warps_across / 16;
  kernel.line("float sums[{}][{}][4] = {{}};", down, across * 2);
  kernel.line("const int warp_row = thread / 32 / {} * {}, warp_column = thread / 32 % {} * {};", tile.warps_across,
              down * 16, tile.warps_across, across * 16);
  kernel.line("const auto multiply = [&](int slot) {{");
  kernel.line("  const unsigned short* const a_tile = a_tiles + slot * kStage;");
  kernel.line("  const unsigned short* const b_tile = b_tiles + slot * kStage;");
  kernel.line("  #pragma unroll");
  kernel.line("  for (int k0 = 0; k0 < {}; k0 += 16) {{", kDepth);
  kernel.line("    unsigned a[{}][4], b[{}][4];", down, across);
  kernel.line("    #pragma unroll");
  kernel.line("    for (int i = 0; i < {}; ++i) {{", down);
  if (a.operand.along_depth) {
    kernel.line("      const int line_in = warp_row + i * 16 + lane % 16, k_in = k0 + lane / 16 * 8;");
  } else {
    kernel.line(
        "      const int line_in = warp_row + i * 16 + lane / 8 % 2 * 8, k_in = k0 + lane / 16 * 8 + lane % 8;");
  }
  kernel.line("      load_matrices{}(a[i], a_tile + {});", a.operand.along_depth ? "" : "_transposed", place_text(a));
  kernel.line("    }}");
  kernel.line("    #pragma unroll");
  kernel.line("    for (int j = 0; j < {}; ++j) {{", across);
  if (b.operand.along_depth) {
    kernel.line(
        "      const int line_in = warp_column + j * 16 + lane / 16 * 8 + lane % 8, k_in = k0 + lane / 8 % 2 * 8;");
  } else {
    kernel.line(
        "      const int line_in = warp_column + j * 16 + lane / 16 * 8, k_in = k0 + lane / 8 % 2 * 8 + lane % 8;");
  }
  kernel.line("      load_matrices{}(b[j], b_tile + {});", b.operand.along_depth ? "" : "_transposed", place_text(b));
  kernel.line("    }}");
  kernel.line("    #pragma unroll");
  kernel.line("    for (int i = 0; i < {}; ++i) {{", down);
  kernel.line("      #pragma unroll");
  kernel.line("      for (int j = 0; j < {}; ++j)", across * 2);
  kernel.line("        multiply_{}(sums[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);", name(dtype));
  kernel.line("    }}");
  kernel.line("  }}");
  kernel.line("}};");
}

// Stages that lie ahead are loaded while one is multiplied. What does not change is asked for before the launch before
// this one has ended.
void write_depth(KernelText& kernel, const MmaTile& tile, const Side& a, const Side& b) {
  const bool early = a.operand.constant || b.operand.constant;
  // A slot is free again once all warps have multiplied it: after the barrier that follows, which is one later where
  // warpgroups go on while they multiply.
  const int behind = tile.groups && tile.stages > 3 ? 1 : 0;
  const int ahead = tile.stages - 1 - behind;
  kernel.line("const int steps = (k_end - k_begin + 63) / 64;");
  if (early) {
    const Side& weights = a.operand.constant ? a : b;
    kernel.line("#pragma unroll");
    kernel.line("for (int s = 0; s < {}; ++s)", ahead);
    kernel.line("  if (s < steps) load_{}(s, k_begin + s * 64);", weights.name);
  }
  kernel.line("wait_for_previous();");
  kernel.line("#pragma unroll");
  kernel.line("for (int s = 0; s < {}; ++s) {{", ahead);
  for (const Side* s : {&a, &b}) {
    if (!early || !s->operand.constant) kernel.line("  if (s < steps) load_{}(s, k_begin + s * 64);", s->name);
  }
  kernel.line("  end_stage();");
  kernel.line("}}");
  kernel.line("int slot = 0, next_slot = {};", ahead);
  kernel.line("#pragma unroll 1");
  kernel.line("for (int step = 0; step < steps; ++step) {{");
  kernel.line("  wait_stages<{}>();", ahead - 1);
  if (tile.groups) kernel.line("  fence_async();");
  kernel.line("  __syncthreads();");
  kernel.line("  const int next = step + {};", ahead);
  kernel.line("  if (next < steps) {{");
  kernel.line("    load_a(next_slot, k_begin + next * 64);");
  kernel.line("    load_b(next_slot, k_begin + next * 64);");
  kernel.line("  }}");
  kernel.line("  end_stage();");
  kernel.line("  multiply(slot);");
  if (tile.groups) kernel.line("  wait_groups<{}>();", behind);
  kernel.line("  slot = slot == {} ? 0 : slot + 1;", tile.stages - 1);
  kernel.line("  next_slot = next_slot == {} ? 0 : next_slot + 1;", tile.stages - 1);
  kernel.line("}}");
  if (behind) kernel.line("wait_groups<0>();");
  kernel.line("wait_stages<0>();");
  kernel.line("__syncthreads();");
}

// Sums go through shared memory, so that neighbouring threads store neighbouring columns.
void write_results(KernelText& kernel, const MmaTile& tile, const MmaProduct& product) {
  const int down = tile.rows / tile.warps_down / 16, across = tile.columns / tile.warps_across / 8;
  const int width = product.store_width;
  kernel.line("float* const passed = (float*)shared;");
  kernel.line("#pragma unroll");
  kernel.line("for (int i = 0; i < {}; ++i) {{", down);
  kernel.line("  #pragma unroll");
  kernel.line("  for (int j = 0; j < {}; ++j) {{", across);
  kernel.line(
      "    float* const to = passed + (warp_row + i * 16 + lane / 4) * {} + warp_column + j * 8 + lane % 4 * 2;",
      tile.pitch());
  kernel.line("    *(float2*)to = {{sums[i][j][0], sums[i][j][1]}};");
  kernel.line("    *(float2*)(to + {}) = {{sums[i][j][2], sums[i][j][3]}};", tile.pitch() * 8);
  kernel.line("  }}");
  kernel.line("}}");
  kernel.text(tile.split > 1 ? "  cluster_sync();\n" : "  __syncthreads();\n");
  const int step = tile.threads() * tile.split;
  kernel.line("for (int at = {}; at < {}; at += {}) {{",
              tile.split > 1 ? fmt::format("part * {} + thread", tile.threads()) : "thread",
              tile.rows * tile.columns / width, step);
  kernel.line("  const int row_in = at / {0}, column_in = at % {0}{1};", tile.columns / width,
              width > 1 ? fmt::format(" * {}", width) : "");
  kernel.line("  const int row = row0 + row_in, column = column0 + column_in;");
  kernel.line("  if (row >= rows || column >= columns) continue;");
  kernel.line("  float values[{}];", width);
  kernel.line("  const float* const from = passed + row_in * {} + column_in;", tile.pitch());
  if (tile.split > 1) {
    kernel.line("  #pragma unroll");
    kernel.line("  for (int e = 0; e < {}; ++e) values[e] = 0;", width);
    kernel.line("  #pragma unroll");
    kernel.line("  for (int p = 0; p < {}; ++p) {{", tile.split);
    if (width < 4) {
      for (int e = 0; e < width; ++e) kernel.line("    values[{0}] += cluster_read(from + {0}, p);", e);
    }
    for (int e = 0; e + 4 <= width; e += 4) {
      kernel.line("    const float4 x{0} = cluster_read((const float4*)(from + {0}), p);", e);
      for (int i = 0; i < 4; ++i) kernel.line("    values[{}] += x{}.{};", e + i, e, "xyzw"[i]);
    }
    kernel.line("  }}");
  } else {
    kernel.line("  #pragma unroll");
    kernel.line("  for (int e = 0; e < {}; ++e) values[e] = from[e];", width);
  }
  kernel.text(product.store(kernel));
  kernel.line("}}");
  if (tile.split > 1) kernel.line("cluster_sync();  // others may still read what lies here");
}

}  // namespace

int vector_of(const Dim& dim) {
  for (const int width : {8, 4, 2}) {
    if (is_multiple(dim, width)) return width;
  }
  return 1;
}

std::optional<ProductSizes> sizes_of(const MmaProduct& product, const Bindings& bindings) {
  return product_sizes(product.rows, product.columns, product.depth, product.batches, bindings);
}

Generated mma_product(const Problem& problem, std::string_view config, const MmaProduct& product) {
  const MmaTile tile = parse_mma_tile(config);
  KernelText kernel(product.name, problem);
  kernel.helper(tensor_core_helpers());
  kernel.waits_itself();
  if (tile.split > 1) kernel.cluster(tile.split);
  write_place(kernel, tile, product);
  kernel.line("DYNAMIC_SHARED(unsigned char, shared);");
  kernel.line("const int kStage = {};  // elements", tile.stage_bytes() / 2);
  kernel.line("unsigned short* const a_tiles = (unsigned short*)shared;");
  kernel.line("unsigned short* const b_tiles = a_tiles + {};", tile.rows * kDepth);
  Side a = operand_side("a", product.rows, tile.rows, tile.threads(), kernel, product.a);
  Side b = operand_side("b", product.columns, tile.columns, tile.threads(), kernel, product.b);
  a.whole_depth = b.whole_depth = tile.split == 1 && is_multiple(product.depth, kDepth);
  write_load(kernel, a);
  write_load(kernel, b);
  if (tile.groups) {
    write_group_multiply(kernel, tile, product.dtype);
  } else {
    write_multiply(kernel, tile, a, b, product.dtype);
  }
  write_depth(kernel, tile, a, b);
  write_results(kernel, tile, product);
  const Dim tiles = ceil_div(product.columns, tile.columns) * ceil_div(product.rows, tile.rows);
  CHECK(!tile.groups || (a.operand.along_depth && b.operand.along_depth), "wgmma reads lines along the depth");
  return std::move(kernel).finish({tiles * tile.split * product.batches, 1, 1}, {tile.threads(), 1, 1},
                                  tile.shared_bytes());
}

std::vector<std::string> mma_configs(const MmaProduct& product, const Target& target) {
  Bindings typical;
  for (const Dim* dim : {&product.rows, &product.columns, &product.depth, &product.batches}) {
    for (const std::string& symbol : dim->symbols()) typical[symbol] = kTypicalLength;
  }
  const std::optional<ProductSizes> sizes = sizes_of(product, typical);
  std::vector<std::string> configs;
  const bool groups = product.along_depth;
  for (const MmaTile& tile :
       mma_tiles_by_time(sizes.value_or(ProductSizes{64, 64, 64, 1}), *target.gpu, groups, kConfigs))
    configs.push_back(to_string(tile));
  return configs;
}

std::optional<double> mma_product_seconds(const Problem& problem, const MmaProduct& product, const Target& target,
                                          const Bindings& bindings) {
  const std::optional<ProductSizes> sizes = sizes_of(product, bindings);
  if (!sizes) return std::nullopt;
  const double seconds =
      mma_seconds(mma_tiles_by_time(*sizes, *target.gpu, product.along_depth, 1)[0], *sizes, *target.gpu);
  return gpu_seconds(problem, target, bindings, sizes->terms(), sizes->terms() / seconds);
}

Refusal mma_refusal(const Problem& problem, std::initializer_list<size_t> operands, const Target& target) {
  if (Refusal reason = float_anchor_refusal(problem)) return reason;
  const DType dtype = problem.inputs[0].dtype;
  if (dtype != DType::f16 && dtype != DType::bf16) return fmt::format("operands of {}, not f16 or bf16", name(dtype));
  for (const size_t i : operands) {
    if (problem.inputs[i].dtype != dtype) return "operands of two types";
  }
  if (target.gpu->sm < 80) return "tensor cores of before sm_80";
  return std::nullopt;
}

}  // namespace mj
