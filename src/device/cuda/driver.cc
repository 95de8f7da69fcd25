// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/driver.h"

#include <dlfcn.h>

#include "device/cuda/error.h"

namespace mj {
namespace {

template <class Function>
bool find_driver_symbol(void* library, const char* symbol, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(library, symbol));
  return *function != nullptr;
}

Error too_old(const CudaDriver& driver, const std::string& missing) {
  int version = 0;
  const bool known = driver.driver_version && driver.driver_version(&version) == cuda::kSuccess;
  return error(ErrorCode::environment,
               "the NVIDIA driver is too old: it {}{}{}; install one that supports CUDA {} or newer (525.60 or newer)",
               known ? "supports CUDA " + cuda_version_text(version) : "", known && !missing.empty() ? " and " : "",
               missing.empty() ? "" : "lacks " + missing, cuda_version_text(kOldestCudaDriver));
}

}  // namespace

std::string cuda_version_text(int version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); }

Result<CudaDriver> load_cuda_driver(const std::string& library) {
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char* reason = dlerror();  // NOLINT(concurrency-mt-unsafe): glibc keeps one for each thread
    return error(ErrorCode::environment,
                 "no NVIDIA driver: {}; install the driver of the GPU (the CUDA toolkit does not bring it; a container "
                 "is given it by --gpus all)",
                 reason ? reason : "cannot load " + library);
  }
  CudaDriver driver;
  std::string missing;
#define MJ_CUDA(member, symbol, parameters) \
  if (!find_driver_symbol(handle, #symbol, &driver.member) && missing.empty()) missing = #symbol;
#include "device/cuda/driver_symbols.inc"
#undef MJ_CUDA
  if (!missing.empty()) return too_old(driver, missing);
  return driver;
}

Result<void> start_cuda_driver(const CudaDriver& driver) {
  int version = 0;
  MJ_TRY(cuda_result(driver, driver.driver_version(&version), "asking the NVIDIA driver for its version"));
  if (version < kOldestCudaDriver) return too_old(driver, "");
  return cuda_result(driver, driver.init(0), "starting the NVIDIA driver");
}

Result<const CudaDriver*> cuda_driver() {
  static const Result<CudaDriver> loaded = []() -> Result<CudaDriver> {
    MJ_ASSIGN(const CudaDriver driver, load_cuda_driver("libcuda.so.1"));
    MJ_TRY(start_cuda_driver(driver));
    return driver;
  }();
  if (!loaded.ok()) return loaded.error();
  return &loaded.value();
}

}  // namespace mj
