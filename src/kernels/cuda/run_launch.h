// SPDX-License-Identifier: Apache-2.0
// From a launch as plain data to a kernel that is started.
#pragma once

#include <span>

#include "base/dim.h"
#include "device/cuda/stream.h"
#include "problem/launch.h"

namespace mj {

// Addresses of the device's. An absent operand is null.
struct LaunchOperands {
  std::span<void*const> inputs, outputs, packed;
  void* workspace = nullptr;
};

// Puts it on the stream. Errors: a size of 2^31 or more, which kernels cannot count to, and those of the driver.
Result<void> run_launch(const CudaStream& stream, const CudaFunction& function, const Launch& launch,
                        const LaunchOperands& operands, const Bindings& symbols);

}  // namespace mj
