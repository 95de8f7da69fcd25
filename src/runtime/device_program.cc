// SPDX-License-Identifier: Apache-2.0
#include "runtime/device_program.h"

#include <algorithm>

#include "base/align.h"
#include "base/clock.h"
#include "device/cuda/upload.h"
#include "kernels/cuda/run_launch.h"

namespace mj {
namespace {

bool is_all_on_device(const Plan& plan) {
  const auto tensor = [&](int id) -> const PlanTensor& { return plan.tensors[static_cast<size_t>(id)]; };
  std::vector<int> arrived;  // from the device
  for (const Step& step : plan.steps) {
    if (step.kind == Step::Kind::kernel && !step.device) return false;
    if (!step.branches.empty()) return false;
    if (step.kind != Step::Kind::copy) continue;
    const bool leaves = tensor(step.inputs[0]).on_device, arrives = tensor(step.outputs[0]).on_device;
    if (!leaves && (!arrives || tensor(step.inputs[0]).kind != PlanTensor::Kind::input)) return false;
    if (!arrives) arrived.push_back(step.outputs[0]);
  }
  std::vector<int> outputs = plan.outputs;
  std::sort(outputs.begin(), outputs.end());
  std::sort(arrived.begin(), arrived.end());
  return outputs == arrived;  // each once
}

}  // namespace

bool uses_device(const Plan& plan) {
  return std::any_of(plan.steps.begin(), plan.steps.end(), [](const Step& step) { return step.device.has_value(); });
}

Result<std::unique_ptr<const DeviceProgram>> DeviceProgram::make(const Plan& plan,
                                                                 std::shared_ptr<const CudaDevice> device,
                                                                 ThreadPool* pool) {
  std::unique_ptr<DeviceProgram> program(new DeviceProgram(plan));
  program->device_ = std::move(device);
  program->all_of_it_ = is_all_on_device(plan);
  const auto start = Clock::now();
  MJ_TRY(program->load_code());
  program->load_times_.code_seconds = seconds_since(start);
  MJ_TRY(program->load_constants(pool));
  program->load_times_.constants_seconds = seconds_since(start) - program->load_times_.code_seconds;
  return std::unique_ptr<const DeviceProgram>(std::move(program));
}

Result<void> DeviceProgram::load_code() {
  std::map<const void*, std::string_view> known;  // by address: code is long, and many steps share it
  const auto code_of = [&](const Step& step) {
    const Tensor& code = step.device->code;
    const auto [at, is_new] = known.try_emplace(code.raw());
    if (is_new) {
      const std::string_view bytes(static_cast<const char*>(code.raw()), static_cast<size_t>(code.bytes()));
      at->second = modules_.try_emplace(bytes).first->first;
    }
    return at->second;
  };
  std::map<std::pair<std::string_view, std::string_view>, int64_t> shared_bytes;  // the most, of each function
  for (const Step& step : plan_.steps) {
    if (!step.device) continue;
    for (const Launch& launch : step.device->launches) {
      int64_t& most = shared_bytes[{code_of(step), launch.function}];
      most = std::max<int64_t>(most, launch.shared_bytes);
    }
  }
  functions_.resize(plan_.steps.size());
  for (size_t s = 0; s < plan_.steps.size(); ++s) {
    const Step& step = plan_.steps[s];
    if (!step.device) continue;
    const std::string_view code = code_of(step);
    Module& module = modules_.at(code);
    const auto in_place = [&](const Error& error) { return step.origin.empty() ? error : error.in(step.origin[0]); };
    if (!module.module) {
      Result<CudaModule> loaded = CudaModule::load(device_, std::as_bytes(std::span(code)));
      if (!loaded.ok()) return in_place(loaded.error());
      module.module = std::move(loaded).value();
    }
    for (const Launch& launch : step.device->launches) {
      const auto [at, is_new] = module.functions.try_emplace(launch.function);
      if (is_new) {
        Result<CudaFunction> function =
            module.module.function(launch.function, shared_bytes.at({code, launch.function}));
        if (!function.ok()) return in_place(function.error());
        at->second = std::move(function).value();
      }
      functions_[s].push_back(at->second);
    }
  }
  load_times_.modules = static_cast<int>(modules_.size());
  return {};
}

Result<void> DeviceProgram::load_constants(ThreadPool* pool) {
  std::vector<UploadPart> parts;
  int64_t bytes = 0;
  const auto add = [&](const Tensor& tensor) {
    if (!addresses_.try_emplace(tensor.raw(), nullptr).second) return;
    parts.push_back({bytes, tensor.raw(), tensor.bytes()});
    bytes += aligned_bytes(tensor.bytes(), kDeviceAlign);
  };
  for (const PlanTensor& tensor : plan_.tensors) {
    if (tensor.on_device && tensor.kind == PlanTensor::Kind::constant) add(tensor.constant);
  }
  for (const Step& step : plan_.steps) {
    for (const Tensor& packed : step.packed) {
      if (step.device) add(packed);
    }
  }
  MJ_ASSIGN(constants_, CudaBuffer::allocate(device_, bytes));
  auto* const to = static_cast<std::byte*>(constants_.data());
  for (const UploadPart& part : parts) addresses_[part.from] = to + part.offset;
  return upload(device_, to, parts, pool);
}

Result<void> DeviceProgram::launch(size_t index, const CudaStream& stream, std::span<const TensorRef> inputs,
                                   std::span<const TensorRef> outputs, const Bindings& symbols, void* workspace) const {
  const Step& step = plan_.steps[index];
  const auto addresses = [](std::span<const TensorRef> refs) {
    std::vector<void*> at;
    for (const TensorRef& ref : refs) at.push_back(ref.data);
    return at;
  };
  const std::vector<void*> inputs_at = addresses(inputs), outputs_at = addresses(outputs);
  std::vector<void*> packed_at;
  for (const Tensor& packed : step.packed) packed_at.push_back(address(packed));
  const LaunchOperands operands{inputs_at, outputs_at, packed_at, workspace};
  for (size_t l = 0; l < step.device->launches.size(); ++l) {
    MJ_TRY(run_launch(stream, functions_[index][l], step.device->launches[l], operands, symbols));
  }
  return {};
}

}  // namespace mj
