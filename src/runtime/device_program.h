// SPDX-License-Identifier: Apache-2.0
// DeviceProgram: what a program keeps on a GPU: the code of its steps and its constants. Immutable; shared by every
// session, uploaded once.
#pragma once

#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "device/cuda/memory.h"
#include "device/cuda/module.h"
#include "device/cuda/stream.h"
#include "engine/format/plan.h"
#include "kernels/kernel.h"

namespace mj {

class DeviceProgram {
 public:
  // Loads and uploads what the plan has on its device. The plan outlives it.
  static Result<std::unique_ptr<const DeviceProgram>> make(const Plan& plan, std::shared_ptr<const CudaDevice> device);

  const std::shared_ptr<const CudaDevice>& device() const { return device_; }
  // Where a constant that is on the device lies there.
  void* address(const Tensor& constant) const { return addresses_.at(constant.raw()); }
  int64_t constant_bytes() const { return constants_.bytes(); }
  // Is there nothing on the host but inputs that go to the device and outputs that come from it?
  bool all_of_it() const { return all_of_it_; }

  // Puts the launches of step `index` on the stream. Operands are addresses of the device's, sizes those of the run.
  Result<void> launch(size_t index, const CudaStream& stream, std::span<const TensorRef> inputs,
                      std::span<const TensorRef> outputs, const Bindings& symbols, void* workspace) const;

 private:
  explicit DeviceProgram(const Plan& plan) : plan_(plan) {}
  Result<void> load_code();
  Result<void> upload();

  const Plan& plan_;
  std::shared_ptr<const CudaDevice> device_;
  bool all_of_it_ = false;
  std::map<std::string_view, CudaModule> modules_;    // by their code, so that equal code is loaded once
  std::vector<std::vector<CudaFunction>> functions_;  // of each step, one for each launch
  CudaBuffer constants_;
  std::map<const void*, void*> addresses_;  // of constants, by their bytes in the engine
};

// Does any step run on a device?
bool uses_device(const Plan& plan);

}  // namespace mj
