// SPDX-License-Identifier: Apache-2.0
// Tiled products: kernels that multiply matrices, a block making one tile of the results, on the CUDA cores in f32.
//   result(row, column) = sum over k < depth of a(row, k) * b(k, column), for each of `batches`
// What differs between matrix products and convolutions is where a and b come from and where the results go: texts that
// the row supplies. Everything else is here: tiles in two halves of shared memory, one filled while the other is
// multiplied; 4 x 4 to 8 x 8 results a thread in registers; results handed on through shared memory, so that
// neighbouring threads run the epilogue of neighbouring columns.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/cuda/kernel_text.h"
#include "kernels/cuda/row.h"

namespace mj {

struct Tile {
  int rows = 0, columns = 0, depth = 0;     // of a block; depth is what lies in shared memory at a time
  int thread_rows = 0, thread_columns = 0;  // of a thread: multiples of 4
  int split = 1;  // parts of the depth that blocks of their own add up; a second kernel sums these in their order

  int threads() const { return rows / thread_rows * (columns / thread_columns); }
  bool operator==(const Tile&) const = default;
};

std::string to_string(const Tile& tile);  // "tile=64x64x16", "tile=64x64x16,split=4"
Tile parse_tile(std::string_view config);
std::vector<Tile> all_tiles();  // without splits

// Texts by which a block reads one operand; a `line` is a row of a or a column of b.
struct TileOperand {
  DType dtype = DType::f32;
  bool along_depth = false;    // are neighbours in memory those along k, or those of neighbouring lines?
  bool vector = false;         // 4 neighbours from a multiple of 4 on are aligned to 16 bytes and all inside or none
  std::string declarations;    // before all else; arrays of [loads] are for `setup` to fill
  std::string setup;           // for load `i`, which is always of `line`; empty: there is nothing to set up
  std::string lines;           // before element (`line`, `k`) of load `i` is read; both are inside the matrix
  std::string inside;          // a condition without which the element is 0; empty: none
  std::string pointer, index;  // of the element
};

struct TiledProduct {
  std::string name;  // of the kernel
  Dim rows, columns, depth, batches = 1;
  // `loads` is the length of arrays with one element for each load of a thread.
  std::function<TileOperand(KernelText&kernel, int loads)> a, b;
  // Lines that take `sum` of (`batch`, `row`, `column`) to the outputs.
  std::function<std::string(KernelText& kernel)> store;
};

// `config` as to_string(Tile) gives it.
Generated tiled_product(const Problem& problem, std::string_view config, const TiledProduct& product);

// What is known of a product's sizes: the best guess first. Dims with symbols are taken at a typical length.
std::vector<std::string> tile_configs(const TiledProduct& product, const Target& target);
// For the best tile. Nothing if a size is not known.
std::optional<double> tiled_product_seconds(const Problem& problem, const TiledProduct& product, const Target& target,
                                            const Bindings& bindings);

// The row of such products: `product_of` says what a problem that is not refused multiplies.
template <TiledProduct (*product_of)(const Problem& problem)>
constexpr SelectRow tiled_gpu_row(std::string_view family, std::string_view name, RefuseProblem refuses,
                                  PackConstants pack) {
  return product_gpu_row<product_of, tile_configs, tiled_product_seconds, tiled_product>(family, name, refuses, pack);
}

}  // namespace mj
