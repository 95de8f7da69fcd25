// SPDX-License-Identifier: Apache-2.0
// Failed calls of the driver as errors.
#pragma once

#include <string_view>

#include "device/cuda/driver.h"

namespace mj {

// `doing` says what was tried: "copying 12 bytes to the device".
Error cuda_error(const CudaDriver& driver, cuda::Status status, std::string_view doing);

// Whether the context is lost: every later call fails too, and only a new process helps.
bool cuda_context_lost(cuda::Status status);

// For calls whose `doing` is a literal.
inline Result<void> cuda_result(const CudaDriver& driver, cuda::Status status, std::string_view doing) {
  if (status == cuda::kSuccess) [[likely]]
    return {};
  return cuda_error(driver, status, doing);
}

}  // namespace mj
