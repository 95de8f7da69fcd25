// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/testing/emulated_gpu.h"

namespace mj {

EmulatedGpu::EmulatedGpu() {
  driver_.on_launch = [this](const FakeLaunch& launch) { run(launch); };
  driver_.parameter_bytes = [](const FakeLaunch& launch) {
    const std::string text(reinterpret_cast<const char*>(launch.code.data()), launch.code.size());
    return parameter_sizes(text, launch.function);
  };
  device_ = CudaDevice::open(0, driver_.driver()).value();
}

Result<std::vector<std::byte>> EmulatedGpu::compile(const std::string& source, int, const std::string&) {
  const auto bytes = std::as_bytes(std::span(source));
  return std::vector<std::byte>(bytes.begin(), bytes.end());
}

void EmulatedGpu::run(const FakeLaunch& launch) {
  const std::string text(reinterpret_cast<const char*>(launch.code.data()), launch.code.size());
  std::shared_ptr<EmulatedModule>& module = modules_[text];
  if (!module) {
    Result<std::shared_ptr<EmulatedModule>> compiled = EmulatedModule::compile(text);
    if (!compiled.ok()) {
      fault_ = compiled.error().message;
      return;
    }
    module = *compiled;
  }
  const Result<void> done =
      module->launch(launch.function, launch.grid, launch.block, static_cast<int>(launch.shared_bytes), launch.args);
  if (!done.ok()) fault_ = done.error().message;
}

}  // namespace mj
