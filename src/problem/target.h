// SPDX-License-Identifier: Apache-2.0
// Target: what passes and tactics know of a device. A value; nothing here touches the device.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/isa.h"
#include "base/result.h"

namespace mj {

// A CUDA device. The figures are those of the device at hand, or of the usual one of its architecture.
struct GpuTarget {
  int sm = 90;  // compute capability, major * 10 + minor
  int multiprocessors = 132;
  double clock_hz = 1.7e9;
  int64_t memory_bytes = int64_t{80} << 30, l2_bytes = 50 << 20, shared_bytes = 227 << 10;  // shared: of a block
  double bytes_per_second = 3e12;

  bool operator==(const GpuTarget&) const = default;
};

// With a GPU, what has no kernel there runs on the host, which the rest describes.
struct Target {
  Isa isa = Isa::portable;
  int threads = 1;
  int64_t l1_bytes = 32 << 10, l2_bytes = 512 << 10, l3_bytes = 8 << 20;
  std::string onednn;  // version of the library behind the building machine's module; empty: none

  bool avx512_bf16 = false, amx_bf16 = false;  // does it multiply bf16 by these instructions?

  std::optional<GpuTarget> gpu;

  // "cpu-avx512", "cpu-avx2", "cpu-portable", "cuda-sm90": the name that an engine files it under.
  std::string name() const;
  bool operator==(const Target&) const = default;
};

// "cpu" means the machine at hand, "cuda" the GPU at hand (an error where here.gpu is absent); "cpu-avx2" and so on
// name an instruction set, "cuda-sm90" (also "sm_90") an architecture.
Result<Target> parse_target(std::string_view text, const Target& here);

}  // namespace mj
