// SPDX-License-Identifier: Apache-2.0
// CUDA C++ to machine code by NVRTC, loaded at run time as the driver is (driver.h). Only compiling engines needs it;
// no GPU and no driver are needed.
//
// It is looked for, first found first taken: the file that the environment variable MJ_NVRTC names (then nowhere else);
// libnvrtc.so.13 and .12 where the dynamic linker looks, in /usr/local/cuda/lib64, and in the wheels
// nvidia-cuda-nvrtc[-cu12] of the Python environment in VIRTUAL_ENV.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/result.h"

namespace mj {

struct Nvrtc {
  enum Status : int { kSuccess = 0, kInvalidOption = 5, kCompilation = 6 };  // nvrtcResult; there are more
  using Program = struct ProgramTag*;

#define MJ_NVRTC(result, member, symbol, parameters) result(*member) parameters = nullptr;
#include "device/cuda/nvrtc_symbols.inc"
#undef MJ_NVRTC
};

struct CudaArch {
  int sm = 0;             // 90
  bool specific = false;  // sm_90a: with the instructions that only this architecture has

  // With all that a device of just this compute capability can do.
  static CudaArch of(int sm) { return {sm, sm == 90}; }
  std::string text() const;  // "sm_90a"
  bool operator==(const CudaArch&) const = default;
};

// A cubin for `arch`: the same bytes for the same text and the same NVRTC. `name` says in messages what the source is.
// ptxas's notes that it had to serialise tensor-core instructions or mend missing fences (C7510, C7519) are errors: the
// generator of the source is wrong then. Thread-safe, and threads compile at the same time.
Result<std::vector<std::byte>> compile_cuda(const std::string& source, CudaArch arch, const std::string& name);

// "13.0", or empty where there is none.
std::string nvrtc_version();

// The pieces. nvrtc() loads the library at the first call and keeps it; later calls give the same answer. Thread-safe.
Result<const Nvrtc*> nvrtc();
Result<Nvrtc> load_nvrtc(const std::string& library);
std::vector<std::string> nvrtc_places();
Result<std::vector<std::byte>> compile_cuda(const Nvrtc& nvrtc, const std::string& source, CudaArch arch,
                                            const std::string& name);

}  // namespace mj
