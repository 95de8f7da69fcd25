// SPDX-License-Identifier: Apache-2.0
// DeviceProgram: what a program keeps on a GPU: the code of its steps and its constants. Immutable; shared by every
// session, uploaded once.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "device/cuda/memory.h"
#include "device/cuda/module.h"
#include "device/cuda/stream.h"
#include "engine/format/plan.h"
#include "kernels/kernel.h"

namespace mj {

// What making one took.
struct DeviceLoadTimes {
  double code_seconds = 0, constants_seconds = 0;
  int modules = 0;
};

class DeviceProgram {
 public:
  // Loads and uploads what the plan has on its device. The plan outlives it. With a pool constants are read by its
  // threads.
  static Result<std::unique_ptr<const DeviceProgram>> make(const Plan& plan, std::shared_ptr<const CudaDevice> device,
                                                           ThreadPool* pool = nullptr);

  const std::shared_ptr<const CudaDevice>& device() const { return device_; }
  // Where a constant that is on the device lies there.
  void* address(const Tensor& constant) const { return addresses_.at(constant.raw()); }
  int64_t constant_bytes() const { return constants_.bytes(); }
  const DeviceLoadTimes& load_times() const { return load_times_; }
  // Is there nothing on the host but inputs that go to the device and outputs that come from it?
  bool all_of_it() const { return all_of_it_; }

  // Puts the launches of step `index` on the stream. Operands are addresses of the device's, sizes those of the run.
  Result<void> launch(size_t index, const CudaStream& stream, std::span<const TensorRef> inputs,
                      std::span<const TensorRef> outputs, const Bindings& symbols, void* workspace) const;

 private:
  explicit DeviceProgram(const Plan& plan) : plan_(plan) {}
  Result<void> load_code();
  Result<void> load_constants(ThreadPool* pool);

  struct Module {
    CudaModule module;
    std::map<std::string, CudaFunction> functions;
  };
  const Plan& plan_;
  std::shared_ptr<const CudaDevice> device_;
  bool all_of_it_ = false;
  DeviceLoadTimes load_times_;
  std::map<std::string_view, Module> modules_;        // by their code, so that equal code is loaded once
  std::vector<std::vector<CudaFunction>> functions_;  // of each step, one for each launch
  CudaBuffer constants_;
  std::map<const void*, void*> addresses_;  // of constants, by their bytes in the engine
};

// Does any step run on a device?
bool uses_device(const Plan& plan);

}  // namespace mj
