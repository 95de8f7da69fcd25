// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/testing/run_generated.h"

#include "base/shape.h"
#include "device/cuda/memory.h"
#include "device/cuda/module.h"
#include "kernels/cuda/run_launch.h"

namespace mj {
namespace {

Bindings symbols_of(const std::vector<Operand>& operands, const std::vector<Tensor>& tensors) {
  Bindings symbols;
  for (size_t i = 0; i < tensors.size(); ++i) {
    for (size_t d = 0; d < tensors[i].dims().size(); ++d) {
      const auto symbol = operands[i].shape[d].symbol_name();
      if (symbol) symbols.try_emplace(std::string(*symbol), tensors[i].dims()[d]);
    }
  }
  return symbols;
}

Result<std::vector<CudaBuffer>> upload(const std::shared_ptr<CudaDevice>& device, const CudaStream& stream,
                                       const std::vector<Tensor>& tensors) {
  std::vector<CudaBuffer> buffers;
  for (const Tensor& tensor : tensors) {
    MJ_ASSIGN(CudaBuffer buffer, CudaBuffer::allocate(device, tensor.bytes()));
    if (tensor.bytes()) MJ_TRY(stream.copy_in(buffer.data(), tensor.raw(), tensor.bytes()));
    buffers.push_back(std::move(buffer));
  }
  return buffers;
}

std::vector<void*> addresses(const std::vector<CudaBuffer>& buffers) {
  std::vector<void*> at;
  for (const CudaBuffer& buffer : buffers) at.push_back(buffer.data());
  return at;
}

}  // namespace

Result<std::vector<Tensor>> run_generated(const std::shared_ptr<CudaDevice>& device, std::span<const std::byte> code,
                                          const Problem& problem, const Generated& generated,
                                          const std::vector<Tensor>& inputs, const std::vector<Tensor>& packed,
                                          std::optional<std::array<int, 2>> in_place) {
  const Bindings symbols = symbols_of(problem.inputs, inputs);
  MJ_ASSIGN(const CudaModule module, CudaModule::load(device, code));
  MJ_ASSIGN(const CudaStream stream, CudaStream::create(device));
  MJ_ASSIGN(const std::vector<CudaBuffer> in, upload(device, stream, inputs));
  MJ_ASSIGN(const std::vector<CudaBuffer> constants, upload(device, stream, packed));
  std::vector<Tensor> outputs;
  for (const Operand& operand : problem.outputs) {
    MJ_ASSIGN(std::vector<int64_t> dims, evaluate(operand.shape, symbols));
    outputs.push_back(Tensor::zeros(operand.dtype, std::move(dims)));
  }
  MJ_ASSIGN(const std::vector<CudaBuffer> out, upload(device, stream, outputs));
  MJ_ASSIGN(const int64_t workspace_bytes, generated.workspace_bytes.evaluate(symbols));
  MJ_ASSIGN(const CudaBuffer workspace, CudaBuffer::allocate(device, workspace_bytes));
  // Whatever is not written shows.
  for (const CudaBuffer& buffer : out) {
    if (buffer.bytes()) MJ_TRY(stream.fill(buffer.data(), 0x7b, buffer.bytes()));
  }
  if (workspace_bytes) MJ_TRY(stream.fill(workspace.data(), 0x7b, workspace_bytes));
  const std::vector<void*> inputs_at = addresses(in), packed_at = addresses(constants);
  std::vector<void*> outputs_at = addresses(out);
  if (in_place) outputs_at[static_cast<size_t>((*in_place)[1])] = inputs_at[static_cast<size_t>((*in_place)[0])];
  const LaunchOperands operands{inputs_at, outputs_at, packed_at, workspace.data()};
  for (const Launch& launch : generated.launches) {
    MJ_ASSIGN(const CudaFunction function, module.function(launch.function, launch.shared_bytes));
    MJ_TRY(run_launch(stream, function, launch, operands, symbols));
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].bytes()) MJ_TRY(stream.copy_out(outputs[i].mutable_raw(), outputs_at[i], outputs[i].bytes()));
  }
  MJ_TRY(stream.synchronize());
  return outputs;
}

}  // namespace mj
