// SPDX-License-Identifier: Apache-2.0
// A simple model of GPU rows: every byte once from memory, operations beside that, and what starting a kernel costs.
#pragma once

#include <optional>

#include "kernels/select.h"

namespace mj {

// Between dependent kernels of one graph, on an H100 with work to ramp up and to drain.
inline constexpr double kLaunchSeconds = 2e-6;

// `operations` in all, of which the device does `operations_per_second`. Nothing if a size is not known.
std::optional<double> gpu_seconds(const Problem& problem, const Target& target, const Bindings& bindings,
                                  double operations = 0, double operations_per_second = 1);
std::optional<double> gpu_streaming_seconds(const Problem& problem, const Target& target, const Bindings& bindings);
// Of a product of matrices, none below 1, so that nothing divides by 0.
struct ProductSizes {
  double rows = 1, columns = 1, depth = 1, batches = 1;
  double terms() const { return rows * columns * depth * batches; }
};
// Nothing if a size is not known.
std::optional<ProductSizes> product_sizes(const Dim& rows, const Dim& columns, const Dim& depth, const Dim& batches,
                                          const Bindings& bindings);
// Blocks of so many bytes of shared memory that a multiprocessor holds.
int blocks_by_shared_bytes(const GpuTarget& gpu, int64_t bytes);
// f32 multiply-adds of all cores.
double gpu_f32_fma_per_second(const GpuTarget& gpu);

}  // namespace mj
