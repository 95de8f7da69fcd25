// SPDX-License-Identifier: Apache-2.0
// Runs what a row for GPUs generated: on the GPU of the machine or on an emulated one.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/tensor.h"
#include "device/cuda/device.h"
#include "kernels/cuda/kernel_text.h"

namespace mj {

// What the launches compute for these inputs; symbols are bound by the inputs' dims. `code` is the compiled source. Of
// {input, output} the latter lies in the memory of the former.
Result<std::vector<Tensor>> run_generated(const std::shared_ptr<CudaDevice>& device, std::span<const std::byte> code,
                                          const Problem& problem, const Generated& generated,
                                          const std::vector<Tensor>& inputs, const std::vector<Tensor>& packed,
                                          std::optional<std::array<int, 2>> in_place = std::nullopt);

}  // namespace mj
