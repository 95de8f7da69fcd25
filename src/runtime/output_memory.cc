// SPDX-License-Identifier: Apache-2.0
#include "runtime/output_memory.h"

#include <new>

#include "base/checked.h"
#include "ops/op.h"

namespace mj {
namespace {

// A view of the caller's memory.
Result<Tensor> place(const Destination& to, const PlanTensor& tensor, std::vector<int64_t> dims) {
  MJ_ASSIGN(const int64_t bytes, tensor_bytes(tensor.dtype, dims));
  if (tensor.boxed()) {
    return error(ErrorCode::unsupported, "output '{}': {} cannot be written into the caller's memory", tensor.name,
                 to_string(tensor.type()));
  }
  if (bytes > to.bytes) {
    return error(ErrorCode::usage, "output '{}': {} bytes, the memory given has {}", tensor.name, bytes, to.bytes);
  }
  return Tensor::view(tensor.dtype, std::move(dims), to.data, nullptr);
}

}  // namespace

Result<Tensor> allocate(const PlanTensor& tensor, std::vector<int64_t> dims) {
  Result<int64_t> bytes = tensor_bytes(tensor.dtype, dims);
  if (!bytes.ok()) return bytes.error().in(fmt::format("tensor '{}'", tensor.name));
  if (*bytes > kMaxEvaluateBytes) return model_error("tensor '{}': {} bytes for these inputs", tensor.name, *bytes);
  try {
    return tensor.dtype == DType::string ? Tensor::zeros(tensor.dtype, std::move(dims))
                                         : Tensor::unset(tensor.dtype, std::move(dims));
  } catch (const std::bad_alloc&) {
    return error(ErrorCode::environment, "tensor '{}': out of memory: {} bytes; give smaller shapes, or more memory",
                 tensor.name, *bytes);
  }
}

Destination destination(const RunOptions& options, size_t output) {
  return options.destinations.empty() ? Destination{} : options.destinations[output];
}

Result<void*> prepare(const Destination& to, const PlanTensor& tensor, std::vector<int64_t> dims, Tensor& output) {
  if (to.data) {
    MJ_ASSIGN(output, place(to, tensor, std::move(dims)));
    return to.data;
  }
  const bool fits = output.writable() && output.dtype() == tensor.dtype && output.dims() == dims;
  if (!fits) {
    MJ_ASSIGN(output, allocate(tensor, std::move(dims)));
  }
  return output.mutable_raw();
}

}  // namespace mj
