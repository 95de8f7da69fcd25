// SPDX-License-Identifier: Apache-2.0
// Upload: many pieces of host memory into one block on a device, by way of page-locked memory: a copy from any other
// goes through the driver's own, piece by piece, while the caller waits.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "base/thread_pool.h"
#include "device/cuda/device.h"

namespace mj {

struct UploadPart {
  int64_t offset = 0;  // in the block
  const void* from = nullptr;
  int64_t bytes = 0;
};

// `to` is an address of the device's, of a block that holds all parts. They stand in the order of their offsets and do
// not overlap; what is between them may be written to. Returns when all is there. With a pool its threads read the
// parts, side by side.
Result<void> upload(const std::shared_ptr<const CudaDevice>& device, void* to, std::span<const UploadPart> parts,
                    ThreadPool* pool = nullptr);

}  // namespace mj
