// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/error.h"

#include <algorithm>

namespace mj {
namespace {

// Those of which cuda.h says "the process must be terminated and relaunched", and beside them uncorrectable errors of
// memory (214) and of NVLink (220), a destroyed context (709) and an assertion in a kernel (710).
constexpr int kLost[] = {214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721, 810, 911};

}  // namespace

bool cuda_context_lost(cuda::Status status) {
  return std::find(std::begin(kLost), std::end(kLost), static_cast<int>(status)) != std::end(kLost);
}

Error cuda_error(const CudaDriver& driver, cuda::Status status, std::string_view doing) {
  const char* name = nullptr;
  const char* text = nullptr;
  if (driver.error_name(status, &name) != cuda::kSuccess) name = nullptr;
  if (driver.error_string(status, &text) != cuda::kSuccess) text = nullptr;
  return error(ErrorCode::environment, "{}: {} ({}){}{}{}", doing, name ? name : "CUDA error", static_cast<int>(status),
               text ? ": " : "", text ? text : "",
               cuda_context_lost(status)
                   ? "; the GPU's context is lost with all that was in its memory: restart the process"
                   : "");
}

}  // namespace mj
