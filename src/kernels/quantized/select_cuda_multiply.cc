// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "base/check.h"
#include "kernels/quantized/cuda_multiply.h"

namespace mj {
namespace {

constexpr ByteTile kTiles[] = {{128, 128, 4}, {128, 64, 4}, {64, 64, 4}, {32, 64, 2}, {32, 32, 2}};
constexpr int kSplits[] = {1, 2, 4, 8, 16};

constexpr std::string_view kMultiply = R"(// sum + the four products of the bytes of a word, those of x signed or not.
template <bool kSigned>
__device__ __forceinline__ int multiply_words(unsigned x, unsigned w, int sum) {
#ifdef MJ_EMULATED
  for (int b = 0; b < 4; ++b) {
    const int byte = kSigned ? (int)(signed char)(x >> 8 * b) : (int)(unsigned char)(x >> 8 * b);
    sum = (int)((unsigned)sum + (unsigned)(byte * (int)(signed char)(w >> 8 * b)));
  }
#else
  if (kSigned) {
    asm("dp4a.s32.s32 %0, %1, %2, %0;" : "+r"(sum) : "r"(x), "r"(w));
  } else {
    asm("dp4a.u32.s32 %0, %1, %2, %0;" : "+r"(sum) : "r"(x), "r"(w));
  }
#endif
  return sum;
}
// A warp's 16 x 8 sums over 32 bytes, as mma.m16n8k32 lays them out.
template <bool kSigned>
__device__ __forceinline__ void multiply_tiles(int* sums, const unsigned* x, unsigned w0, unsigned w1) {
#ifdef MJ_EMULATED
  memcpy(mj_slots[mj_current], x, 16);
  memcpy(mj_slots[mj_current] + 16, &w0, 4);
  memcpy(mj_slots[mj_current] + 20, &w1, 4);
  mj_yield();
  const unsigned lane = mj_current % 32, warp = mj_current - lane;
  for (unsigned i = 0; i < 4; ++i) {
    for (unsigned word = 0; word < 8; ++word) {
      unsigned a, b;
      memcpy(&a, mj_slots[warp + lane / 4 * 4 + word % 4] + (i / 2 + word / 4 * 2) * 4, 4);
      memcpy(&b, mj_slots[warp + (lane % 4 * 2 + i % 2) * 4 + word % 4] + 16 + word / 4 * 4, 4);
      sums[i] = multiply_words<kSigned>(a, b, sums[i]);
    }
  }
  mj_yield();
#elif __CUDA_ARCH__ >= 800
#define MJ_MULTIPLY_TILES(type)                                                                                       \
  asm volatile("mma.sync.aligned.m16n8k32.row.col.s32." type ".s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, " \
               "{%0, %1, %2, %3};"                                                                                    \
               : "+r"(sums[0]), "+r"(sums[1]), "+r"(sums[2]), "+r"(sums[3])                                           \
               : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(w0), "r"(w1))
  if (kSigned) {
    MJ_MULTIPLY_TILES("s8");
  } else {
    MJ_MULTIPLY_TILES("u8");
  }
#undef MJ_MULTIPLY_TILES
#endif
}
)";

}  // namespace

std::string to_string(const ByteTile& tile) {
  return fmt::format("tile={}x{},{},split={}", tile.rows, tile.columns, tile.mma ? "mma" : "dp4a", tile.split);
}

std::vector<ByteTile> all_byte_tiles() {
  std::vector<ByteTile> all;
  for (ByteTile tile : kTiles) {
    for (const bool mma : {true, false}) {
      for (const int split : kSplits) {
        tile.mma = mma, tile.split = split;
        all.push_back(tile);
      }
    }
  }
  return all;
}

ByteTile parse_byte_tile(std::string_view config) {
  for (const ByteTile& tile : all_byte_tiles()) {
    if (to_string(tile) == config) return tile;
  }
  CHECK(false, "no tile of bytes is called '{}'", config);
}

std::string_view multiply_helpers() { return kMultiply; }

std::string sums_text(const ByteTile& tile) {
  if (!tile.mma) return fmt::format("  int sums[{}][{}] = {{}};\n", tile.rows / 16, tile.columns / 16);
  return fmt::format(R"(  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int row_of_warp = warp / {0} * {1}, column_of_warp = warp % {0} * {2};
  int sums[{3}][{4}][4] = {{}};
)",
                     tile.warps_across(), tile.m() * 16, tile.n() * 8, tile.m(), tile.n());
}

std::string multiply_text(const ByteTile& tile, bool x_signed) {
  const std::string_view sign = x_signed ? "true" : "false";
  if (tile.mma) {
    return fmt::format(R"(    #pragma unroll
    for (int step = 0; step < 16; step += 8) {{
      unsigned a[{m}][4], b[{n}][2];
      #pragma unroll
      for (int m = 0; m < {m}; ++m) {{
        const unsigned* line = &x_tile[half][row_of_warp + m * 16 + lane / 4][step + lane % 4];
        a[m][0] = line[0], a[m][1] = line[8 * {pitch}], a[m][2] = line[4], a[m][3] = line[8 * {pitch} + 4];
      }}
      #pragma unroll
      for (int n = 0; n < {n}; ++n) {{
        const unsigned* line = &w_tile[half][column_of_warp + n * 8 + lane / 4][step + lane % 4];
        b[n][0] = line[0], b[n][1] = line[4];
      }}
      #pragma unroll
      for (int m = 0; m < {m}; ++m)
        #pragma unroll
        for (int n = 0; n < {n}; ++n) multiply_tiles<{sign}>(sums[m][n], a[m], b[n][0], b[n][1]);
    }}
)",
                       fmt::arg("m", tile.m()), fmt::arg("n", tile.n()), fmt::arg("pitch", kBytePitch),
                       fmt::arg("sign", sign));
  }
  return fmt::format(R"(    #pragma unroll
    for (int step = 0; step < 16; step += 4) {{
      uint4 a[{m}], b[{n}];
      #pragma unroll
      for (int m = 0; m < {m}; ++m) a[m] = *(const uint4*)&x_tile[half][threadIdx.x / 16 + m * 16][step];
      #pragma unroll
      for (int n = 0; n < {n}; ++n) b[n] = *(const uint4*)&w_tile[half][threadIdx.x % 16 + n * 16][step];
      #pragma unroll
      for (int m = 0; m < {m}; ++m)
        #pragma unroll
        for (int n = 0; n < {n}; ++n) {{
          sums[m][n] = multiply_words<{sign}>(a[m].x, b[n].x, sums[m][n]);
          sums[m][n] = multiply_words<{sign}>(a[m].y, b[n].y, sums[m][n]);
          sums[m][n] = multiply_words<{sign}>(a[m].z, b[n].z, sums[m][n]);
          sums[m][n] = multiply_words<{sign}>(a[m].w, b[n].w, sums[m][n]);
        }}
    }}
)",
                     fmt::arg("m", tile.rows / 16), fmt::arg("n", tile.columns / 16), fmt::arg("sign", sign));
}

std::string each_sum_text(const ByteTile& tile, std::string_view line) {
  if (tile.mma) {
    return fmt::format(R"(  #pragma unroll
  for (int m = 0; m < {}; ++m)
    #pragma unroll
    for (int n = 0; n < {}; ++n)
      #pragma unroll
      for (int e = 0; e < 4; ++e) {{
        const int row = row_of_warp + m * 16 + lane / 4 + e / 2 * 8, column = column_of_warp + n * 8 + lane % 4 * 2 + e % 2;
        const int sum = sums[m][n][e];
{}      }}
)",
                       tile.m(), tile.n(), line);
  }
  return fmt::format(R"(  #pragma unroll
  for (int m = 0; m < {}; ++m)
    #pragma unroll
    for (int n = 0; n < {}; ++n) {{
      const int row = threadIdx.x / 16 + m * 16, column = threadIdx.x % 16 + n * 16;
      const int sum = sums[m][n];
{}    }}
)",
                     tile.rows / 16, tile.columns / 16, line);
}

}  // namespace mj
