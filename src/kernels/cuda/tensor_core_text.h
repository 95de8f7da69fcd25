// SPDX-License-Identifier: Apache-2.0
// Functions for kernels that multiply by tensor cores (sm_80 and later), each with its PTX; tests have each in plain
// C++ (testing/emulate.cc).
//   copy_async<bytes>(to, from, valid)  4, 8 or 16 bytes from global to shared memory while the thread goes on; zeros
//                                       if not `valid`. Copies belong to the stage that end_stage() closes;
//                                       wait_stages<n>() waits until at most the last n are on their way.
//   load_matrices(r, row)               four 8 x 8 matrices of 16-bit elements; lane l names row l % 8 of matrix l / 8.
//                                       Lane l has in r[j] elements l % 4 * 2 and the next of row l / 4 of matrix j;
//                                       with _transposed, of the transposed matrix.
//   multiply_f16, multiply_bf16(sums, a, b0, b1)   mma.sync m16n8k16, sums in f32.
//   cluster_sync(), cluster_read(p, rank)          between the blocks of a cluster (sm_90 and later): what lies where
//                                                  p points in the shared memory of block `rank`.
//   fence_async()                       what this thread's copies have brought may be read by wgmma after a barrier
//   begin_group(), end_group(), wait_groups<n>()   wgmma runs beside the threads: all of one step are a group
#pragma once

#include <string>
#include <string_view>

#include "base/dtype.h"

namespace mj {

std::string_view tensor_core_helpers();
// multiply_group_<columns>(sums, a, b, k): wgmma m64n<columns>k16: adds rows [0, 64) of tile a times columns [0,
// columns) of tile b for k from `k` on (a multiple of 16, at most 48). Tiles are lines of 64 elements, permuted as in
// mma_text.h, and begin at a multiple of 1024 bytes. sums[j][i] of a thread are those that multiply_f16 gives it for
// columns j * 8 on and rows warp % 4 * 16 on.
std::string group_helper(int columns, DType dtype);
// multiply_windows_<columns>(sums, a, b, adds): the same for 16 elements of the depth that lie without permutation, in
// chunks of 8 elements aligned to 16 bytes. Line l of a has its first chunk at a + l * 8 and its second right behind
// it, where line l + 1 begins: windows that slide by one chunk need no copy. Column n of b has them at b + n * 8 and
// `columns` * 8 elements further.
std::string windows_helper(int columns, DType dtype);

}  // namespace mj
