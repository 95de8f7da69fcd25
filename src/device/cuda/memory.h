// SPDX-License-Identifier: Apache-2.0
// Memory of a device, and host memory that it copies from and to without the driver's staging.
#pragma once

#include <cstdint>
#include <memory>

#include "device/cuda/device.h"

namespace mj {

inline constexpr int64_t kDeviceAlign = 256;  // bytes

// Device memory, aligned to kDeviceAlign; its contents are undefined at first. Move-only. Nothing on any stream may use
// it any more when it dies.
class CudaBuffer {
 public:
  CudaBuffer() = default;
  // 0 bytes are no memory: data() is null then.
  static Result<CudaBuffer> allocate(std::shared_ptr<const CudaDevice> device, int64_t bytes);

  // An address of the device's.
  void* data() const { return reinterpret_cast<void*>(memory_.get()); }  // NOLINT(performance-no-int-to-ptr)
  int64_t bytes() const { return memory_ ? bytes_ : 0; }

 private:
  CudaHandle<cuda::Ptr, &CudaDriver::mem_free> memory_;
  int64_t bytes_ = 0;
};

// Page-locked host memory. Copies from and to it are asynchronous: what they use must be left alone until the stream
// was waited for.
class CudaPinned {
 public:
  CudaPinned() = default;
  static Result<CudaPinned> allocate(std::shared_ptr<const CudaDevice> device, int64_t bytes);

  void* data() const { return memory_.get(); }
  int64_t bytes() const { return memory_ ? bytes_ : 0; }

 private:
  CudaHandle<void*, &CudaDriver::mem_free_host> memory_;
  int64_t bytes_ = 0;
};

}  // namespace mj
