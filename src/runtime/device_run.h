// SPDX-License-Identifier: Apache-2.0
// DeviceRun: runs of an engine on memory of its device: no copy, no allocation once warm, and no waiting but what is
// asked for. One thread at a time; several may run one engine at once.
#pragma once

#include <memory>
#include <vector>

#include "device/cuda/memory.h"
#include "runtime/engine.h"

namespace mj {

class DeviceRun {
 public:
  // An error where steps of the engine run on the host.
  static Result<DeviceRun> make(std::shared_ptr<Engine> engine);
  DeviceRun(DeviceRun&&) = default;
  DeviceRun& operator=(DeviceRun&&) = default;
  ~DeviceRun();

  // Inputs as for Engine::run, but their data are addresses of the engine's device. outputs[i].data is memory for
  // output i, of at least its bytes. All of it must live until synchronize() has returned.
  Result<void> enqueue(std::span<const Tensor> inputs, std::span<const Destination> outputs);
  Result<void> synchronize() const { return session_->synchronize(); }

  // Inputs that were copied to the device, and memory there for the outputs that these inputs give.
  struct Memory {
    std::vector<CudaBuffer> buffers;
    std::vector<Tensor> inputs;        // their data lie in `buffers`
    std::vector<Destination> outputs;  // likewise
  };
  Result<Memory> upload(std::span<const Tensor> inputs);

 private:
  explicit DeviceRun(std::shared_ptr<Engine> engine);
  std::shared_ptr<Engine> engine_;
  std::unique_ptr<Session> session_;
};

}  // namespace mj
