// SPDX-License-Identifier: Apache-2.0
// One GPU and its primary context (which other libraries in the process share).
//
// Everything in this folder that talks to a device makes the device's context current on the calling thread first, and
// leaves it current. Objects hold their device alive; destructors ignore what the driver says.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "device/cuda/driver.h"
#include "device/cuda/error.h"

namespace mj {

// What the driver says of a device; a clock or a width is 0 where it does not know.
struct CudaFacts {
  std::string name;  // "NVIDIA H100 80GB HBM3"
  std::string uuid;  // "GPU-" and 32 hexadecimal digits in groups, as nvidia-smi -L prints it
  int sm = 0;        // 90 for compute capability 9.0
  int multiprocessors = 0;
  int64_t clock_khz = 0;
  int64_t memory_clock_khz = 0;
  int64_t memory_bus_bits = 0;
  int64_t memory_bytes = 0;
  int64_t l2_bytes = 0;
  int64_t shared_bytes_per_block_optin = 0;
  int driver_version = 0;  // the CUDA version the driver speaks, 12040 for 12.4

  bool operator==(const CudaFacts&) const = default;
};

inline constexpr int kOldestSm = 75;

// Immutable and thread-safe.
class CudaDevice {
 public:
  // `driver` must outlive the device.
  static Result<int> count(const CudaDriver& driver);
  static Result<std::shared_ptr<CudaDevice>> open(int ordinal, const CudaDriver& driver);
  // The first device of this machine, shared by all who ask for it while any of them holds it.
  static Result<std::shared_ptr<const CudaDevice>> first();
  ~CudaDevice();
  CudaDevice(const CudaDevice&) = delete;
  CudaDevice& operator=(const CudaDevice&) = delete;

  const CudaFacts& facts() const { return facts_; }
  int ordinal() const { return ordinal_; }
  const CudaDriver& driver() const { return driver_; }

  // Makes the context the calling thread's.
  Result<void> make_current() const;

  struct Memory {
    int64_t free_bytes = 0, total_bytes = 0;
  };
  Result<Memory> memory() const;

 private:
  template <class Handle, auto destroy>
  friend class CudaHandle;
  CudaDevice(int ordinal, const CudaDriver& driver) : driver_(driver), ordinal_(ordinal) {}

  const CudaDriver& driver_;
  int ordinal_;
  cuda::Device device_ = 0;
  cuda::Context context_ = nullptr;
  CudaFacts facts_;
};

// A handle of the driver's that `destroy`, a member of CudaDriver, gives back. Move-only; null when moved from.
template <class Handle, auto destroy>
class CudaHandle {
 public:
  CudaHandle() = default;
  CudaHandle(std::shared_ptr<const CudaDevice> device, Handle handle) : device_(std::move(device)), handle_(handle) {}
  CudaHandle(CudaHandle&& other) noexcept
      : device_(std::move(other.device_)), handle_(std::exchange(other.handle_, Handle{})) {}
  CudaHandle& operator=(CudaHandle&& other) noexcept {
    CudaHandle taken(std::move(other));  // whose destructor gives back what this held
    std::swap(device_, taken.device_);
    std::swap(handle_, taken.handle_);
    return *this;
  }
  ~CudaHandle() {
    if (handle_ == Handle{}) return;
    device_->driver_.ctx_set_current(device_->context_);
    (device_->driver_.*destroy)(handle_);
  }

  Handle get() const { return handle_; }
  explicit operator bool() const { return handle_ != Handle{}; }
  const CudaDevice& device() const { return *device_; }
  const std::shared_ptr<const CudaDevice>& shared_device() const { return device_; }
  const CudaDriver& driver() const { return device_->driver(); }

 private:
  std::shared_ptr<const CudaDevice> device_;
  Handle handle_ = {};
};

}  // namespace mj
