// SPDX-License-Identifier: Apache-2.0
#include "runtime/device_run.h"

namespace mj {

DeviceRun::DeviceRun(std::shared_ptr<Engine> engine) : engine_(std::move(engine)), session_(engine_->borrow()) {}

DeviceRun::~DeviceRun() {
  if (!session_) return;
  if (session_->synchronize().ok()) engine_->give_back(std::move(session_));
}

Result<DeviceRun> DeviceRun::make(std::shared_ptr<Engine> engine) {
  const DeviceProgram* device = engine->program().device();
  if (!device || !device->all_of_it()) {
    return error(ErrorCode::unsupported,
                 "device memory as input: steps of this engine run on the host; `millijoule tactics` shows which");
  }
  return DeviceRun(std::move(engine));
}

Result<void> DeviceRun::enqueue(std::span<const Tensor> inputs, std::span<const Destination> outputs) {
  MJ_TRY(engine_->check_inputs(inputs));
  return session_->enqueue(inputs, outputs);
}

Result<DeviceRun::Memory> DeviceRun::upload(std::span<const Tensor> inputs) {
  const std::shared_ptr<const CudaDevice>& device = engine_->program().device()->device();
  MJ_ASSIGN(const CudaStream stream, CudaStream::create(device));
  // What the outputs are like is seen in a run from the host.
  std::vector<Tensor> outputs;
  MJ_TRY(engine_->run(inputs, outputs));
  Memory memory;
  for (const Tensor& input : inputs) {
    MJ_ASSIGN(CudaBuffer buffer, CudaBuffer::allocate(device, input.bytes()));
    if (input.bytes()) MJ_TRY(stream.copy_in(buffer.data(), input.raw(), input.bytes()));
    memory.inputs.push_back(Tensor::view(input.dtype(), input.dims(), buffer.data(), nullptr));
    memory.buffers.push_back(std::move(buffer));
  }
  for (const Tensor& output : outputs) {
    MJ_ASSIGN(CudaBuffer buffer, CudaBuffer::allocate(device, output.bytes()));
    memory.outputs.push_back({buffer.data(), output.bytes()});
    memory.buffers.push_back(std::move(buffer));
  }
  MJ_TRY(stream.synchronize());
  return memory;
}

}  // namespace mj
