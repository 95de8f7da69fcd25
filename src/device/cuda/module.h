// SPDX-License-Identifier: Apache-2.0
// Code on a device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "device/cuda/device.h"

namespace mj {

// A kernel; valid while its module lives.
struct CudaFunction {
  cuda::Function handle = nullptr;
  std::string name;
};

class CudaModule {
 public:
  CudaModule() = default;
  // `code` is a cubin for the device's architecture (or text, which only PTX and fakes are); it is copied.
  static Result<CudaModule> load(std::shared_ptr<const CudaDevice> device, std::span<const std::byte> code);

  explicit operator bool() const { return static_cast<bool>(module_); }
  // `shared_bytes` is the most dynamic shared memory that it will be launched with.
  Result<CudaFunction> function(const std::string& name, int64_t shared_bytes = 0) const;

 private:
  CudaHandle<cuda::Module, &CudaDriver::module_unload> module_;
};

// Why `code` cannot be given to a driver, which is told no size and so trusts the tables inside; nothing if it can.
std::optional<std::string> cuda_code_fault(std::span<const std::byte> code);

}  // namespace mj
