// SPDX-License-Identifier: Apache-2.0
// Products of 16-bit operands by tensor cores, summed in f32, a block making one tile of the results:
//   result(row, column) = sum over k < depth of a(row, k) * b(k, column), for each of `batches`
// As in tile_text.h, what differs between matrix products and convolutions is where a and b come from and where the
// results go. Stages of 64 along the depth go to shared memory by cp.async, several on their way at a time, in rows of
// 128 bytes whose 16-byte chunks are permuted by the row's number, so that neither side meets bank conflicts. Blocks
// that share a tile's depth are a cluster and add up through its shared memory, always in the same order.
#pragma once

#include <functional>
#include <initializer_list>
#include <string>

#include "kernels/cuda/kernel_text.h"
#include "kernels/cuda/mma_tile.h"
#include "kernels/cuda/row.h"
#include "kernels/cuda/stage_text.h"

namespace mj {

struct MmaProduct {
  std::string name;  // of the kernel
  DType dtype = DType::f16;
  Dim rows, columns, depth, batches = 1;
  bool along_depth = true;  // both operands: only such are for wgmma
  int a_width = 1;          // MmaOperand::width of a
  bool packed = false;      // is b constant and packed as [columns, depth]?
  MmaOperandTexts a, b;
  int store_width = 1;  // 8, 4, 2, 1: neighbouring columns that are all inside or none
  // Lines that take `values`, an array of `store_width` sums from (`batch`, `row`, `column`) on, to the outputs.
  std::function<std::string(KernelText& kernel)> store;
};

// `config` as in mma_tile.h.
Generated mma_product(const Problem& problem, std::string_view config, const MmaProduct& product);

// The largest of 8, 4, 2, 1 that divides `dim` for certain.
int vector_of(const Dim& dim);

// Nothing if a size is not known.
std::optional<ProductSizes> sizes_of(const MmaProduct& product, const Bindings& bindings);

std::vector<std::string> mma_configs(const MmaProduct& product, const Target& target);
std::optional<double> mma_product_seconds(const Problem& problem, const MmaProduct& product, const Target& target,
                                          const Bindings& bindings);
// Why tensor cores do not take the products of these inputs, or nothing: their types, the architecture.
Refusal mma_refusal(const Problem& problem, std::initializer_list<size_t> operands, const Target& target);

// The row of such products: `product_of` says what a problem that is not refused multiplies.
template <MmaProduct (*product_of)(const Problem& problem)>
constexpr SelectRow mma_gpu_row(std::string_view family, std::string_view name, RefuseProblem refuses,
                                PackConstants pack) {
  return product_gpu_row<product_of, mma_configs, mma_product_seconds, mma_product>(family, name, refuses, pack);
}

}  // namespace mj
