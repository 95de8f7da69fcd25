// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/estimate.h"

#include <algorithm>

#include "kernels/estimate.h"

namespace mj {

std::optional<double> gpu_seconds(const Problem& problem, const Target& target, const Bindings& bindings,
                                  double operations, double operations_per_second) {
  double bytes = 0;
  for (const auto* operands : {&problem.inputs, &problem.outputs}) {
    for (const Operand& operand : *operands) {
      if (operand.dtype == DType::none) continue;
      const std::optional<double> elements = elements_of(operand.shape, bindings);
      if (!elements) return std::nullopt;
      bytes += *elements * static_cast<double>(storage_bytes(operand.dtype));
    }
  }
  return kLaunchSeconds + std::max(bytes / target.gpu->bytes_per_second, operations / operations_per_second);
}

std::optional<double> gpu_streaming_seconds(const Problem& problem, const Target& target, const Bindings& bindings) {
  return gpu_seconds(problem, target, bindings);
}

std::optional<ProductSizes> product_sizes(const Dim& rows, const Dim& columns, const Dim& depth, const Dim& batches,
                                          const Bindings& bindings) {
  ProductSizes sizes;
  for (const auto& [dim, to] : {std::pair(&rows, &sizes.rows),
                                {&columns, &sizes.columns},
                                {&depth, &sizes.depth},
                                {&batches, &sizes.batches}}) {
    const Result<int64_t> value = dim->evaluate(bindings);
    if (!value.ok()) return std::nullopt;
    *to = std::max(1.0, static_cast<double>(*value));
  }
  return sizes;
}

int blocks_by_shared_bytes(const GpuTarget& gpu, int64_t bytes) {
  constexpr int64_t kReserved = 1024;  // that each block takes besides; the most of one block leaves room for it
  return static_cast<int>((gpu.shared_bytes + kReserved) / (bytes + kReserved));
}

double gpu_f32_fma_per_second(const GpuTarget& gpu) {
  const int cores = gpu.sm == 75 || gpu.sm == 80 ? 64 : 128;  // of a multiprocessor
  return gpu.multiprocessors * cores * gpu.clock_hz;
}

}  // namespace mj
