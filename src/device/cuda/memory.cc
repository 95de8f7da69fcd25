// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/memory.h"

namespace mj {

Result<CudaBuffer> CudaBuffer::allocate(std::shared_ptr<const CudaDevice> device, int64_t bytes) {
  CHECK(bytes >= 0, "a buffer of {} bytes", bytes);
  CudaBuffer buffer;
  if (bytes == 0) return buffer;  // which the driver refuses
  MJ_TRY(device->make_current());
  cuda::Ptr memory = 0;
  const cuda::Status status = device->driver().mem_alloc(&memory, static_cast<size_t>(bytes));
  if (status != cuda::kSuccess) {
    std::string doing =
        fmt::format("allocating {} bytes on GPU {} ({})", bytes, device->ordinal(), device->facts().name);
    if (const auto now = status == cuda::kOutOfMemory ? device->memory() : CudaDevice::Memory{};
        now && now->total_bytes) {
      doing += fmt::format(", of whose {} bytes {} are free", now->total_bytes, now->free_bytes);
    }
    return cuda_error(device->driver(), status, doing);
  }
  buffer.memory_ = {std::move(device), memory};
  buffer.bytes_ = bytes;
  return buffer;
}

Result<CudaPinned> CudaPinned::allocate(std::shared_ptr<const CudaDevice> device, int64_t bytes) {
  CHECK(bytes >= 0, "page-locked memory of {} bytes", bytes);
  CudaPinned pinned;
  if (bytes == 0) return pinned;
  MJ_TRY(device->make_current());
  void* memory = nullptr;
  const cuda::Status status = device->driver().mem_alloc_host(&memory, static_cast<size_t>(bytes));
  if (status != cuda::kSuccess) {
    return cuda_error(device->driver(), status, fmt::format("allocating {} bytes of page-locked host memory", bytes));
  }
  pinned.memory_ = {std::move(device), memory};
  pinned.bytes_ = bytes;
  return pinned;
}

}  // namespace mj
