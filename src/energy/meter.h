// SPDX-License-Identifier: Apache-2.0
// Meter: where joules come from. A reading that could not be taken is absent, never 0.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/units.h"

namespace mj {

class Meter {
 public:
  virtual ~Meter() = default;
  virtual std::string source() const = 0;  // "rapl"
  virtual std::string scope() const = 0;   // "CPU packages"
  // Joules since the meter was made, counted on over wraps; read at least every few minutes. Absent if a read failed,
  // or nobody can know any more how much was missed.
  virtual std::optional<Joules> read() = 0;
};

// RAPL's package domains below `root` (nested ones would count twice). Null where none can be read.
// `now`: seconds of a clock; none: the machine's.
std::unique_ptr<Meter> rapl_meter(const std::string& root = "/sys/class/powercap", std::function<double()> now = {});

// The best meter of this machine; null where there is none.
std::unique_ptr<Meter> cpu_meter();

struct RaplDomain {
  std::string name, path;  // "package-0", ".../energy_uj"
  bool readable = false;
};
std::vector<RaplDomain> rapl_domains(const std::string& root = "/sys/class/powercap");

}  // namespace mj
