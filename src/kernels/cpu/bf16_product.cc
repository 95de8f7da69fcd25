// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/bf16_product.h"

#include <algorithm>
#include <vector>

#include "base/align.h"
#include "base/function_ref.h"
#include "base/half.h"
#include "kernels/cpu/block.h"
#include "kernels/cpu/parallel.h"

namespace mj::cpu {
namespace {

constexpr int64_t kTileRows = 2 * kBf16Strip;  // of one call of the inner loop
constexpr int64_t kSums = kTileRows * kBf16Panel;
// The strips of a block stay in L2 (512 KB), a slice of a panel in L1 (24 KB), and so does what part of C waits for its
// epilogue.
constexpr int64_t kBlockElements = 256 << 10, kMaxBlockRows = 128, kDeepTiles = 12, kGroupFloats = 36 << 10;
constexpr int64_t kTasksPerThread = 4;

int64_t blocks(int64_t total, int64_t unit) { return (total + unit - 1) / unit; }

// How a product is cut into tasks, and where its strips are packed: all before the first task if several tasks read
// the same ones, else by each task for itself.
struct Cut {
  int64_t k_tiles, strips, panels;
  int64_t block_rows;
  Grid grid;
  bool packs_first;

  int64_t strip() const { return k_tiles * kBf16Strip * kBf16Deep; }  // elements
  int64_t strip_bytes(int threads) const {
    const int64_t copies = packs_first ? strips : threads * (block_rows / kBf16Strip);
    return copies * strip() * static_cast<int64_t>(sizeof(uint16_t));
  }
  int64_t sum_bytes() const { return block_rows / kTileRows * kSums * static_cast<int64_t>(sizeof(float)); }
  int64_t bytes(int threads) const { return strip_bytes(threads) + threads * sum_bytes(); }
};

Cut cut_of(const Bf16Kernels& kernels, int64_t m, int64_t n, int64_t k, int threads) {
  Cut cut{};
  cut.k_tiles = blocks(k, kBf16Deep);
  cut.strips = blocks(m, kBf16Strip);
  cut.panels = std::max<int64_t>(1, blocks(n, kBf16Panel));
  const int64_t deep = std::max<int64_t>(1, cut.k_tiles * kBf16Deep);
  cut.block_rows = std::clamp(kBlockElements / deep / kTileRows * kTileRows, kTileRows, kMaxBlockRows);
  cut.grid = {std::max<int64_t>(1, blocks(m, cut.block_rows)), 1};
  if (threads > 1) {
    const double flops = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
    const auto worth = static_cast<int64_t>(std::min(flops / kernels.min_task_flops, 1e6));
    const int64_t wanted = std::clamp<int64_t>(worth, 1, kTasksPerThread * threads);
    cut.grid.row_blocks = std::max(cut.grid.row_blocks, std::min(wanted, blocks(m, kMaxBlockRows / 2)));
    if (cut.grid.row_blocks < wanted) cut.grid.col_blocks = std::min(cut.panels, blocks(wanted, cut.grid.row_blocks));
  }
  cut.packs_first = cut.grid.col_blocks > 1;
  return cut;
}

// Packs strip i; `thread` is the pool's.
using PackStrip = FunctionRef<void(int64_t i, uint16_t* strip, int thread)>;

struct Output {
  int64_t m, n;
  const uint16_t* packed_b;
  float* c;
  int64_t ldc;
};

void finish_panel(const Bf16Kernels& kernels, const Output& o, const Epilogue& e, const Range& rows, int64_t panel,
                  const float* sums) {
  const int64_t col = panel * kBf16Panel;
  Bf16FinishArgs f{};
  f.n = std::min(kBf16Panel, o.n - col);
  f.ldc = o.ldc;
  f.bias = e.bias ? e.bias + col : nullptr;
  f.ld_residual = e.ld_residual;
  f.clip = e.clip;
  f.lo = e.lo;
  f.hi = e.hi;
  for (int64_t row = rows.begin; row < rows.end; row += kTileRows, sums += kSums) {
    f.sums = sums;
    f.m = std::min(kTileRows, rows.end - row);
    f.c = o.c + row * o.ldc + col;
    if (e.residual) f.residual = e.residual + row * e.ld_residual + col;
    kernels.finish(f);
  }
}

// Rows by panels, with the strips of these rows.
void multiply(const Bf16Kernels& kernels, const Cut& cut, const Output& o, const Epilogue& e, const Range& rows,
              const Range& panels, const uint16_t* strips, float* sums) {
  const int64_t pieces = std::max<int64_t>(1, blocks(cut.k_tiles, kDeepTiles));
  const int64_t m = rows.end - rows.begin;
  const int64_t group = std::max<int64_t>(1, kGroupFloats / (m * kBf16Panel));
  Bf16TileArgs t{};
  t.strip_stride = cut.strip();
  for (int64_t first = panels.begin; first < panels.end; first += group) {
    const int64_t last = std::min(panels.end, first + group);
    if (kernels.enter) kernels.enter();
    for (int64_t panel = first; panel < last; ++panel) {
      for (int64_t piece = 0; piece < pieces; ++piece) {
        const Range deep = part(cut.k_tiles, 1, pieces, piece);
        t.b = o.packed_b + (panel * cut.k_tiles + deep.begin) * kBf16Deep * kBf16Panel;
        t.k_tiles = deep.end - deep.begin;
        t.accumulate = piece > 0;
        for (int64_t i = 0; i < m; i += kTileRows) {
          t.a = strips + i / kBf16Strip * cut.strip() + deep.begin * kBf16Strip * kBf16Deep;
          t.m = std::min(kTileRows, m - i);
          t.sums = sums + i / kTileRows * kSums;
          kernels.tile(t);
        }
      }
      finish_panel(kernels, o, e, rows, panel, sums);
    }
    if (kernels.leave) kernels.leave();
    if (!e.callback) continue;
    const int64_t col = first * kBf16Panel, n = std::min(o.n, last * kBf16Panel) - col;
    if (n == o.ldc) {  // whole rows, one behind the other
      e.callback(e.context, o.c + rows.begin * o.ldc, rows.begin, 0, m * n);
      continue;
    }
    for (int64_t row = rows.begin; row < rows.end; ++row) e.callback(e.context, o.c + row * o.ldc + col, row, col, n);
  }
}

void run_product(ThreadPool& pool, const Bf16Kernels& kernels, const Cut& cut, const Output& o, const Epilogue& e,
                 PackStrip pack_strip, void* workspace) {
  auto* const space = static_cast<std::byte*>(workspace);
  auto* const all_strips = reinterpret_cast<uint16_t*>(space);
  std::byte* const all_sums = space + cut.strip_bytes(pool.threads());
  if (cut.packs_first) {
    pool.run(cut.strips, [&](int64_t i, int thread) { pack_strip(i, all_strips + i * cut.strip(), thread); });
  }
  pool.run(cut.grid.tasks(), [&](int64_t task, int thread) {
    const Range rows = part(o.m, kTileRows, cut.grid.row_blocks, task / cut.grid.col_blocks);
    const Range panels = part(cut.panels, 1, cut.grid.col_blocks, task % cut.grid.col_blocks);
    if (rows.begin == rows.end) return;
    const int64_t first = rows.begin / kBf16Strip, last = blocks(rows.end, kBf16Strip);
    uint16_t* strips = all_strips + first * cut.strip();
    if (!cut.packs_first) {
      strips = all_strips + thread * (cut.block_rows / kBf16Strip) * cut.strip();
      for (int64_t i = first; i < last; ++i) pack_strip(i, strips + (i - first) * cut.strip(), thread);
    }
    multiply(kernels, cut, o, e, rows, panels, strips, reinterpret_cast<float*>(all_sums + thread * cut.sum_bytes()));
  });
}

// The image, rounded and with its padding, so that all rows of a window lie at the same distances from its first pixel.
struct Image {
  int64_t height, width;  // padded
  int64_t run, runs;      // stretches of a window that lie one behind the other

  explicit Image(const ConvShape& s)
      : height((s.oh - 1) * s.stride_h + (s.kh - 1) * s.dilation_h + 1),
        width((s.ow - 1) * s.stride_w + (s.kw - 1) * s.dilation_w + 1),
        run(s.dilation_w == 1 ? s.kw * s.c : s.c),
        runs(s.dilation_w == 1 ? s.kh : s.kh * s.kw) {}
  // A vector read at the last element stays inside.
  int64_t bytes(const ConvShape& s) const {
    return aligned_bytes((s.n * height * width * s.c + kBf16Deep) * static_cast<int64_t>(sizeof(uint16_t)));
  }
  int64_t line_elements() const { return blocks(runs * run + kBf16Deep, kBf16Deep) * kBf16Deep; }
};

bool is_pointwise(const ConvShape& s) {
  return s.kh == 1 && s.kw == 1 && s.stride_h == 1 && s.stride_w == 1 && s.pad_top == 0 && s.pad_left == 0 &&
         s.oh == s.h && s.ow == s.w;
}

// Row `i` of the padded image of all samples.
void round_row(const Bf16Kernels& kernels, const ConvShape& s, const Image& image, const float* x, int64_t i,
               uint16_t* dst) {
  const int64_t sample = i / image.height, row = i % image.height - s.pad_top;
  const int64_t left = std::min(s.pad_left, image.width);
  const int64_t used = row < 0 || row >= s.h ? 0 : std::min(s.w, image.width - left);
  std::fill_n(dst, left * s.c, uint16_t{0});
  if (used) kernels.round(x + (sample * s.h + row) * s.w * s.c, used * s.c, dst + left * s.c);
  std::fill_n(dst + (left + used) * s.c, (image.width - left - used) * s.c, uint16_t{0});
}

}  // namespace

int64_t packed_bf16(int64_t k, int64_t n) {
  return blocks(n, kBf16Panel) * kBf16Panel * blocks(k, kBf16Deep) * kBf16Deep;
}

void pack_bf16(const float* b, int64_t ldb, bool b_transposed, int64_t k, int64_t n, float scale, uint16_t* dst) {
  const int64_t deep = blocks(k, kBf16Deep) * kBf16Deep;
  std::fill_n(dst, packed_bf16(k, n), uint16_t{0});
  for (int64_t j = 0; j < n; ++j) {
    uint16_t* const column = dst + j / kBf16Panel * kBf16Panel * deep + j % kBf16Panel * 2;
    for (int64_t i = 0; i < k; ++i) {
      const float x = b_transposed ? b[j * ldb + i] : b[i * ldb + j];
      column[i / 2 * 2 * kBf16Panel + i % 2] = Bf16(x * scale).bits;
    }
  }
}

int64_t bf16_gemm_workspace(const Bf16Kernels& kernels, int64_t m, int64_t n, int64_t k, int threads) {
  return cut_of(kernels, m, n, k, threads).bytes(threads);
}

void bf16_gemm(ThreadPool& pool, const Bf16Kernels& kernels, const Bf16Gemm& g, void* workspace) {
  if (g.m == 0 || g.n == 0) return;
  const auto pack = [&](int64_t i, uint16_t* strip, int) {
    const int64_t row = i * kBf16Strip;
    kernels.round_strip(g.a + row * g.lda, g.lda, std::min(kBf16Strip, g.m - row), g.k, strip);
  };
  run_product(pool, kernels, cut_of(kernels, g.m, g.n, g.k, pool.threads()), {g.m, g.n, g.packed_b, g.c, g.ldc},
              g.epilogue, pack, workspace);
}

void pack_bf16_conv(const ConvShape& s, const float* weights, uint16_t* dst) {
  const int64_t taps = s.kh * s.kw, depth = taps * s.c;
  std::vector<float> rows(static_cast<size_t>(s.k * depth));  // [k][tap][c]
  for (int64_t o = 0; o < s.k; ++o)
    for (int64_t c = 0; c < s.c; ++c)
      for (int64_t t = 0; t < taps; ++t)
        rows[static_cast<size_t>(o * depth + t * s.c + c)] = weights[(o * s.c + c) * taps + t];
  pack_bf16(rows.data(), depth, true, depth, s.k, 1, dst);
}

int64_t bf16_conv_workspace(const Bf16Kernels& kernels, const ConvShape& s, int threads) {
  const int64_t pixels = s.n * s.oh * s.ow;
  if (pixels == 0 || s.k == 0) return 0;
  const int64_t product = bf16_gemm_workspace(kernels, pixels, s.k, s.kh * s.kw * s.c, threads);
  if (is_pointwise(s)) return product;
  const Image image(s);
  return product + image.bytes(s) +
         aligned_bytes(image.line_elements() * static_cast<int64_t>(sizeof(uint16_t))) * threads;
}

void bf16_conv(ThreadPool& pool, const Bf16Kernels& kernels, const ConvShape& s, const float* x, const uint16_t* packed,
               float* y, const Epilogue& e, void* workspace) {
  const int64_t pixels = s.n * s.oh * s.ow;
  if (pixels == 0 || s.k == 0) return;
  if (is_pointwise(s)) return bf16_gemm(pool, kernels, {pixels, s.k, s.c, x, s.c, packed, y, s.k, e}, workspace);
  const Image image(s);
  const Cut cut = cut_of(kernels, pixels, s.k, s.kh * s.kw * s.c, pool.threads());
  std::byte* const space = static_cast<std::byte*>(workspace) + cut.bytes(pool.threads());
  auto* const copy = reinterpret_cast<uint16_t*>(space);
  auto* const lines = reinterpret_cast<uint16_t*>(space + image.bytes(s));
  const int64_t line = aligned_bytes(image.line_elements() * static_cast<int64_t>(sizeof(uint16_t))) / 2;

  const int64_t row_elements = image.width * s.c, image_rows = s.n * image.height;
  const auto elements = static_cast<double>(image_rows * row_elements);
  parallel_ranges(pool, image_rows, 1, guess_seconds(6 * elements, elements), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) round_row(kernels, s, image, x, i, copy + i * row_elements);
  });
  std::fill_n(copy + image_rows * row_elements, kBf16Deep, uint16_t{0});

  std::vector<int64_t> offsets;
  for (int64_t i = 0; i < s.kh; ++i)
    for (int64_t j = 0; j < image.runs / s.kh; ++j)
      offsets.push_back((i * s.dilation_h * image.width + j * s.dilation_w) * s.c);
  const auto pack = [&](int64_t i, uint16_t* strip, int thread) {
    const uint16_t* rows[kBf16Strip];
    const int64_t first = i * kBf16Strip, m = std::min(kBf16Strip, pixels - first);
    int64_t column = first % s.ow, row = first / s.ow % s.oh, sample = first / (s.ow * s.oh);
    for (int64_t p = 0; p < m; ++p) {
      rows[p] = copy + ((sample * image.height + row * s.stride_h) * image.width + column * s.stride_w) * s.c;
      if (++column < s.ow) continue;
      column = 0;
      if (++row < s.oh) continue;
      row = 0;
      ++sample;
    }
    kernels.gather_strip({rows, m, offsets.data(), image.runs, image.run, lines + thread * line, strip});
  };
  run_product(pool, kernels, cut, {pixels, s.k, packed, y, s.k}, e, pack, workspace);
}

}  // namespace mj::cpu
