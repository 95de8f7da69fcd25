// SPDX-License-Identifier: Apache-2.0
// A GPU in this process's memory: the fake driver, whose kernels are compiled for the CPU (emulate.h). For tests of all
// that stands between a model and a launch, where there is no GPU.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "device/cuda/testing/fake_driver.h"
#include "kernels/cuda/testing/emulate.h"

namespace mj {

class EmulatedGpu {
 public:
  EmulatedGpu();

  FakeDriver& driver() { return driver_; }
  const std::shared_ptr<CudaDevice>& device() const { return device_; }
  void release() { device_.reset(); }
  // What a kernel's launch failed with; empty if none did.
  const std::string& fault() const { return fault_; }

  // For TuneOptions::compile_code: the code of this GPU is the text itself.
  static Result<std::vector<std::byte>> compile(const std::string& source, int sm, const std::string& name);

 private:
  void run(const FakeLaunch& launch);

  FakeDriver driver_;
  std::shared_ptr<CudaDevice> device_;
  std::map<std::string, std::shared_ptr<EmulatedModule>> modules_;  // by their text
  std::string fault_;
};

}  // namespace mj
