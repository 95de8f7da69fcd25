// SPDX-License-Identifier: Apache-2.0
// How products of bytes are cut into tiles, and the texts that multiply what lies in shared memory: x_tile[half][row]
// and w_tile[half][column], lines of kByteDepth bytes, kBytePitch words apart.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mj {

inline constexpr int kByteThreads = 256;
inline constexpr int kByteDepth = 64;  // bytes of a line in a stage
inline constexpr int kBytePitch = 20;  // words from line to line: fragments of 8 lines touch all banks

struct ByteTile {
  int rows = 64, columns = 64, warps_down = 4;  // of 8 warps
  bool mma = false;
  int split = 1;  // blocks that share the depth of a tile

  int warps_across() const { return 8 / warps_down; }
  int m() const { return rows / warps_down / 16; }
  int n() const { return columns / warps_across() / 8; }
};

std::string to_string(const ByteTile& tile);  // "tile=64x64,mma,split=2", "tile=32x32,dp4a,split=1"
ByteTile parse_byte_tile(std::string_view config);
std::vector<ByteTile> all_byte_tiles();  // every way to multiply and to split

// multiply_words<signed>(x, w, sum), multiply_tiles<signed>(sums, x, w0, w1).
std::string_view multiply_helpers();
// Declares `sums`, and where a thread's own stand.
std::string sums_text(const ByteTile& tile);
// Adds half `half` of shared memory to them.
std::string multiply_text(const ByteTile& tile, bool x_signed);
// `line` for each of a thread's results: `row` and `column` in the tile, `sum`.
std::string each_sum_text(const ByteTile& tile, std::string_view line);

}  // namespace mj
