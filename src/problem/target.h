// SPDX-License-Identifier: Apache-2.0
// Target: what passes and tactics know of a device. A value; nothing here touches the device.
#pragma once

#include <cstdint>
#include <string>

#include "base/isa.h"
#include "base/result.h"

namespace mj {

struct Target {
  Isa isa = Isa::portable;
  int threads = 1;
  int64_t l1_bytes = 32 << 10, l2_bytes = 512 << 10, l3_bytes = 8 << 20;
  std::string onednn;  // version of the library behind the building machine's module; empty: none

  bool avx512_bf16 = false, amx_bf16 = false;  // does it multiply bf16 by these instructions?

  // "cpu-avx512", "cpu-avx2", "cpu-portable": the name that an engine files it under.
  std::string name() const;
  bool operator==(const Target&) const = default;
};

// "cpu" means the machine at hand; "cpu-avx2" and so on name an instruction set.
Result<Target> parse_target(std::string_view text, const Target& here);

}  // namespace mj
