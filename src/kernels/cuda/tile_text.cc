// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/tile_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "kernels/cuda/estimate.h"

namespace mj {
namespace {

constexpr std::array<Tile, 7> kTiles = {{{128, 128, 8, 8, 8},
                                         {128, 64, 16, 8, 8},
                                         {64, 128, 16, 8, 8},
                                         {64, 64, 16, 4, 4},
                                         {128, 32, 16, 8, 4},
                                         {32, 64, 16, 4, 4},
                                         {16, 64, 32, 4, 4}}};

constexpr std::array<int, 7> kSplits = {1, 2, 4, 8, 16, 32, 64};
constexpr size_t kConfigs = 4;   // at most, and
constexpr double kSlower = 1.6;  // than the best by the model at most: what is worth a try
constexpr int kSumThreads = 256;
constexpr int64_t kTypicalLength = 16;  // of an axis whose length is a symbol
constexpr int kPadding = 4;             // of lines in shared memory: turns the conflicts of transposing stores into few

// How the loads of one operand's tile are dealt out to the threads.
struct Dealing {
  int lines, depth, threads;
  bool along_depth, vector;

  int width() const { return vector ? 4 : 1; }
  int loads() const { return lines * depth / width() / threads; }
  std::string line(std::string_view at) const {
    if (along_depth) return fmt::format("{} / {}", at, depth / width());
    return fmt::format("{} % {}{}", at, lines / width(), vector ? " * 4" : "");
  }
  std::string k(std::string_view at) const {
    if (along_depth) return fmt::format("{} % {}{}", at, depth / width(), vector ? " * 4" : "");
    return fmt::format("{} / {}", at, lines / width());
  }
};

struct Side {
  std::string_view name;   // "a"
  std::string_view line0;  // first line of the tile
  std::string_view lines;  // how many the matrix has
  Dealing dealing;
  TileOperand operand;
};

Side side(std::string_view name, const Tile& tile, KernelText& kernel,
          const std::function<TileOperand(KernelText&, int)>& texts) {
  const bool rows = name == "a";
  // Whether loads are vectors decides how many they are, and the texts only want their number.
  const auto dealing = [&](const TileOperand& operand) {
    return Dealing{rows ? tile.rows : tile.columns, tile.depth, tile.threads(), operand.along_depth, operand.vector};
  };
  const TileOperand first = texts(kernel, 1);
  TileOperand operand = texts(kernel, dealing(first).loads());
  return {name, rows ? "row0" : "column0", rows ? "rows" : "columns", dealing(operand), std::move(operand)};
}

void write_fetch(KernelText& kernel, const Side& s) {
  const Dealing& d = s.dealing;
  const std::string type = d.vector ? "float4" : "float";
  if (!s.operand.declarations.empty()) kernel.text(s.operand.declarations);
  if (!s.operand.setup.empty()) {
    kernel.line("#pragma unroll");
    kernel.line("for (int i = 0; i < {}; ++i) {{", d.loads());
    kernel.line("  const int at = thread + i * {}, line = {} + {};", d.threads, s.line0, d.line("at"));
    kernel.text(s.operand.setup);
    kernel.line("}}");
  }
  kernel.line("{} {}_next[{}];", type, s.name, d.loads());
  kernel.line("const auto fetch_{} = [&](int k0) {{", s.name);
  kernel.line("  #pragma unroll");
  kernel.line("  for (int i = 0; i < {}; ++i) {{", d.loads());
  kernel.line("    const int at = thread + i * {};", d.threads);
  kernel.line("    const int line = {} + {}, k = k0 + {};", s.line0, d.line("at"), d.k("at"));
  kernel.line("    {}_next[i] = {};", s.name, d.vector ? "make_float4(0, 0, 0, 0)" : "0");
  kernel.line("    if (line < {} && k < k_end) {{", s.lines);
  kernel.text(s.operand.lines);
  const std::string element = fmt::format("{}[{}]", s.operand.pointer, s.operand.index);
  const std::string value = d.vector ? fmt::format("*(const float4*)&{}", element) : c_load(s.operand.dtype, element);
  kernel.line("      {}{}_next[i] = {};", s.operand.inside.empty() ? "" : fmt::format("if ({}) ", s.operand.inside),
              s.name, value);
  kernel.line("    }}");
  kernel.line("  }}");
  kernel.line("}};");
}

// From registers to one half of shared memory, where a line's neighbours are neighbours.
void write_keep(KernelText& kernel, const Side& s) {
  const Dealing& d = s.dealing;
  kernel.line("const auto keep_{} = [&](int half) {{", s.name);
  kernel.line("  #pragma unroll");
  kernel.line("  for (int i = 0; i < {}; ++i) {{", d.loads());
  kernel.line("    const int at = thread + i * {};", d.threads);
  kernel.line("    const int line = {}, k = {};", d.line("at"), d.k("at"));
  if (!d.vector) {
    kernel.line("    {0}_tile[half][k][line] = {0}_next[i];", s.name);
  } else if (d.along_depth) {
    for (const auto& [offset, part] : {std::pair(0, 'x'), {1, 'y'}, {2, 'z'}, {3, 'w'}})
      kernel.line("    {0}_tile[half][k + {1}][line] = {0}_next[i].{2};", s.name, offset, part);
  } else {
    kernel.line("    *(float4*)&{0}_tile[half][k][line] = {0}_next[i];", s.name);
  }
  kernel.line("  }}");
  kernel.line("}};");
}

// Which tile, of which batch and which part of the depth.
void write_place(KernelText& kernel, const Tile& tile, const TiledProduct& product) {
  kernel.line("// A tile of {} x {} results; each of {} threads makes {} x {} of them.", tile.rows, tile.columns,
              tile.threads(), tile.thread_rows, tile.thread_columns);
  kernel.line("const int rows = {}, columns = {}, depth = {};", kernel.size(product.rows), kernel.size(product.columns),
              kernel.size(product.depth));
  const std::string across = kernel.size(ceil_div(product.columns, tile.columns));
  const std::string down = kernel.size(ceil_div(product.rows, tile.rows));
  kernel.line("const int thread = threadIdx.x, block = blockIdx.x;");
  kernel.line("const int column0 = block % {} * {};", across, tile.columns);
  const bool one = product.batches.constant() == 1;
  if (one && tile.split == 1) {
    kernel.line("const int row0 = block / {} * {};", across, tile.rows);
    kernel.line("const int batch = 0;");
  } else {
    kernel.line("const int row0 = block / {} % {} * {};", across, down, tile.rows);
    const std::string tiles = kernel.size(ceil_div(product.columns, tile.columns) * ceil_div(product.rows, tile.rows));
    if (tile.split > 1) kernel.line("const int part = block / {} % {};", tiles, tile.split);
    kernel.line("const int batch = {};",
                one ? "0" : fmt::format("block / {}{}", tiles, tile.split > 1 ? fmt::format(" / {}", tile.split) : ""));
  }
  if (tile.split == 1) {
    kernel.line("const int k_begin = 0, k_end = depth;");
    return;
  }
  const Dim length = ceil_div(ceil_div(product.depth, tile.depth), tile.split) * tile.depth;
  kernel.line("const int k_begin = min(part * {0}, depth), k_end = min(k_begin + {0}, depth);", kernel.size(length));
}

void write_product(KernelText& kernel, const Tile& tile) {
  const int across = tile.columns / tile.thread_columns;
  const int row_step = tile.rows * 4 / tile.thread_rows, column_step = tile.columns * 4 / tile.thread_columns;
  kernel.line("const int tx = thread % {}, ty = thread / {};", across, across);
  kernel.line("float sums[{}][{}] = {{}};", tile.thread_rows, tile.thread_columns);
  kernel.text(R"(  fetch_a(k_begin);
  fetch_b(k_begin);
  keep_a(0);
  keep_b(0);
  __syncthreads();
  int half = 0;
)");
  kernel.line("for (int k0 = k_begin; k0 < k_end; k0 += {}) {{", tile.depth);
  kernel.line("  const bool more = k0 + {} < k_end;", tile.depth);
  kernel.line("  if (more) {{");
  kernel.line("    fetch_a(k0 + {});", tile.depth);
  kernel.line("    fetch_b(k0 + {});", tile.depth);
  kernel.line("  }}");
  kernel.line("  #pragma unroll");
  kernel.line("  for (int k = 0; k < {}; ++k) {{", tile.depth);
  kernel.line("    float4 a[{}], b[{}];", tile.thread_rows / 4, tile.thread_columns / 4);
  for (int i = 0; i < tile.thread_rows / 4; ++i)
    kernel.line("    a[{}] = *(const float4*)&a_tile[half][k][{} + ty * 4];", i, i * row_step);
  for (int j = 0; j < tile.thread_columns / 4; ++j)
    kernel.line("    b[{}] = *(const float4*)&b_tile[half][k][{} + tx * 4];", j, j * column_step);
  kernel.line("    #pragma unroll");
  kernel.line("    for (int i = 0; i < {}; ++i) {{", tile.thread_rows / 4);
  kernel.line("      #pragma unroll");
  kernel.line("      for (int j = 0; j < {}; ++j) {{", tile.thread_columns / 4);
  kernel.text(R"(          add_row(&sums[i * 4 + 0][j * 4], a[i].x, b[j]);
          add_row(&sums[i * 4 + 1][j * 4], a[i].y, b[j]);
          add_row(&sums[i * 4 + 2][j * 4], a[i].z, b[j]);
          add_row(&sums[i * 4 + 3][j * 4], a[i].w, b[j]);
        }
      }
    }
    if (more) {
      keep_a(half ^ 1);
      keep_b(half ^ 1);
    }
    __syncthreads();
    half ^= 1;
  }
)");
}

// One row of every four that a thread has, so that all threads together pass whole rows on.
void write_results(KernelText& kernel, const Tile& tile, const std::string& store) {
  const int down = tile.rows / tile.thread_rows;
  const int row_step = tile.rows * 4 / tile.thread_rows, column_step = tile.columns * 4 / tile.thread_columns;
  kernel.line("// Through shared memory, so that neighbouring threads store neighbouring columns.");
  kernel.line("__shared__ __align__(16) float passed[{}][{}];", down, tile.columns);
  kernel.line("#pragma unroll");
  kernel.line("for (int pass = 0; pass < {}; ++pass) {{", tile.thread_rows);
  kernel.line("  __syncthreads();");
  for (int j = 0; j < tile.thread_columns; j += 4)
    kernel.line(
        "  *(float4*)&passed[ty][{} + tx * 4] = make_float4(sums[pass][{}], sums[pass][{}], sums[pass][{}], "
        "sums[pass][{}]);",
        j / 4 * column_step, j, j + 1, j + 2, j + 3);
  kernel.line("  __syncthreads();");
  kernel.line("  #pragma unroll 4");
  kernel.line("  for (int i = 0; i < {}; ++i) {{", tile.thread_columns);
  kernel.line("    const int at = thread + i * {};", tile.threads());
  kernel.line("    const int row = row0 + pass / 4 * {} + at / {} * 4 + pass % 4;", row_step, tile.columns);
  kernel.line("    const int column = column0 + at % {};", tile.columns);
  kernel.line("    if (row >= rows || column >= columns) continue;");
  kernel.line("    const float sum = passed[at / {0}][at % {0}];", tile.columns);
  kernel.text(store);
  kernel.line("  }}");
  kernel.line("}}");
}

constexpr std::string_view kAddRow = R"(__device__ __forceinline__ void add_row(float* sums, float a, float4 b) {
  sums[0] += a * b.x;
  sums[1] += a * b.y;
  sums[2] += a * b.z;
  sums[3] += a * b.w;
}
)";

Dim results_of(const TiledProduct& product) { return product.batches * product.rows * product.columns; }

Generated sum_of_parts(const Problem& problem, const Tile& tile, const TiledProduct& product) {
  KernelText kernel(product.name + "_sum", problem);
  const Dim results = results_of(product);
  const std::string parts = kernel.workspace(0, "const float"), count = kernel.size(results);
  kernel.line("// The parts of each result in their order, so that it is the same each time.");
  kernel.line("const Index i = blockIdx.x * {}u + threadIdx.x;", kSumThreads);
  kernel.line("if (i >= {}) return;", count);
  kernel.line("float sum = 0;");
  kernel.line("#pragma unroll");
  kernel.line("for (int part = 0; part < {}; ++part) sum += {}[(unsigned long long)part * {} + i];", tile.split, parts,
              count);
  kernel.line("const int rows = {}, columns = {};", kernel.size(product.rows), kernel.size(product.columns));
  kernel.line("const int column = i % columns, row = i / columns % rows, batch = i / columns / rows;");
  kernel.text(product.store(kernel));
  return std::move(kernel).finish({ceil_div(results, kSumThreads), 1, 1}, {kSumThreads, 1, 1});
}

// The model.
std::optional<ProductSizes> sizes_of(const TiledProduct& product, const Bindings& bindings) {
  return product_sizes(product.rows, product.columns, product.depth, product.batches, bindings);
}

// A warp's multiply-adds among all that it issues, by what a thread has in registers: measured on no card yet.
double efficiency(const Tile& tile) {
  const int results = tile.thread_rows * tile.thread_columns;
  return results >= 64 ? 0.85 : results >= 32 ? 0.75 : 0.6;
}

// Blocks run in waves; a wave takes as long as its multiply-adds on one multiprocessor, or as the wait for memory
// before each step along the depth.
double tile_seconds(const Tile& tile, const ProductSizes& sizes, const GpuTarget& gpu) {
  constexpr double kFetchSeconds = 0.5e-6;  // memory latency with some queueing
  const double blocks =
      std::ceil(sizes.rows / tile.rows) * std::ceil(sizes.columns / tile.columns) * sizes.batches * tile.split;
  const double depth = std::ceil(sizes.depth / tile.split / tile.depth) * tile.depth;
  const double blocks_here = std::ceil(blocks / gpu.multiprocessors);
  const double registers = 32 + 1.5 * tile.thread_rows * tile.thread_columns;  // of a thread: NVRTC 13, sm_90, aligned
  const double fit = std::max(1.0, std::floor(65536 / (registers * tile.threads())));
  const double warps = std::min(blocks_here, fit) * tile.threads() / 32;
  const double rate = gpu_f32_fma_per_second(gpu) / gpu.multiprocessors * efficiency(tile) * warps / (warps + 2);
  const double products = blocks_here * tile.rows * tile.columns * depth / rate;
  const double waits = std::ceil(blocks_here / fit) * (depth / tile.depth + 2) * kFetchSeconds;
  double seconds = std::max(products, waits);
  if (tile.split > 1) {
    seconds += kLaunchSeconds + 8 * tile.split * sizes.rows * sizes.columns * sizes.batches / gpu.bytes_per_second;
  }
  return seconds;
}

// Every tile with its best split and its seconds, the fastest first.
std::vector<std::pair<double, Tile>> tiles_by_time(const ProductSizes& sizes, const GpuTarget& gpu) {
  constexpr double kMostParts = 1 << 26;  // floats
  std::vector<std::pair<double, Tile>> timed;
  for (Tile tile : kTiles) {
    std::pair<double, Tile> best{tile_seconds(tile, sizes, gpu), tile};
    for (int split : kSplits) {
      tile.split = split;
      if (split > 1 &&
          (sizes.depth < split * tile.depth * 2 || sizes.rows * sizes.columns * sizes.batches * split > kMostParts))
        break;
      const double seconds = tile_seconds(tile, sizes, gpu);
      if (seconds < best.first) best = {seconds, tile};
    }
    timed.push_back(best);
  }
  std::stable_sort(timed.begin(), timed.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return timed;
}

}  // namespace

std::string to_string(const Tile& tile) {
  return fmt::format("tile={}x{}x{}{}", tile.rows, tile.columns, tile.depth,
                     tile.split > 1 ? fmt::format(",split={}", tile.split) : "");
}

Tile parse_tile(std::string_view config) {
  const size_t comma = std::min(config.find(",split="), config.size());
  for (Tile tile : kTiles) {
    if (to_string(tile) != config.substr(0, comma)) continue;
    if (comma < config.size()) std::from_chars(config.data() + comma + 7, config.data() + config.size(), tile.split);
    return tile;
  }
  CHECK(false, "no tile is called '{}'", config);
}

std::vector<Tile> all_tiles() { return {kTiles.begin(), kTiles.end()}; }

Generated tiled_product(const Problem& problem, std::string_view config, const TiledProduct& product) {
  const Tile tile = parse_tile(config);
  KernelText kernel(product.name, problem);
  kernel.helper(kAddRow);
  write_place(kernel, tile, product);
  const Side a = side("a", tile, kernel, product.a), b = side("b", tile, kernel, product.b);
  for (const Side* s : {&a, &b}) {
    kernel.line("__shared__ __align__(16) float {}_tile[2][{}][{}];", s->name, tile.depth, s->dealing.lines + kPadding);
    write_fetch(kernel, *s);
    write_keep(kernel, *s);
  }
  write_product(kernel, tile);
  if (tile.split == 1) {
    write_results(kernel, tile, product.store(kernel));
  } else {
    kernel.reserve_workspace(results_of(product) * 4 * tile.split);
    const std::string parts = kernel.workspace(0, "float");
    const std::string place =
        fmt::format("((unsigned long long)part * {} + batch) * rows + row", kernel.size(product.batches));
    write_results(kernel, tile, fmt::format("      {}[({}) * columns + column] = sum;\n", parts, place));
  }
  const Dim tiles = ceil_div(product.columns, tile.columns) * ceil_div(product.rows, tile.rows);
  Generated generated = std::move(kernel).finish({tiles * tile.split * product.batches, 1, 1}, {tile.threads(), 1, 1});
  if (tile.split == 1) return generated;
  return join(std::move(generated), sum_of_parts(problem, tile, product));
}

std::vector<std::string> tile_configs(const TiledProduct& product, const Target& target) {
  Bindings typical;
  for (const Dim* dim : {&product.rows, &product.columns, &product.depth, &product.batches}) {
    for (const std::string& symbol : dim->symbols()) typical[symbol] = kTypicalLength;
  }
  const std::optional<ProductSizes> sizes = sizes_of(product, typical);
  if (!sizes) return {to_string(kTiles[3])};
  const std::vector<std::pair<double, Tile>> timed = tiles_by_time(*sizes, *target.gpu);
  std::vector<std::string> configs;
  for (const auto& [seconds, tile] : timed) {
    if (configs.size() < kConfigs && seconds <= kSlower * timed[0].first) configs.push_back(to_string(tile));
  }
  return configs;
}

std::optional<double> tiled_product_seconds(const Problem& problem, const TiledProduct& product, const Target& target,
                                            const Bindings& bindings) {
  const std::optional<ProductSizes> sizes = sizes_of(product, bindings);
  if (!sizes) return std::nullopt;
  const double seconds = tiles_by_time(*sizes, *target.gpu)[0].first;
  return gpu_seconds(problem, target, bindings, sizes->terms(), sizes->terms() / seconds);
}

}  // namespace mj
