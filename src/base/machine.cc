// SPDX-License-Identifier: Apache-2.0
#include "base/machine.h"

#include <fstream>

#include "base/isa.h"

namespace mj {

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("model name")) continue;
    const size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown CPU";
}

std::string machine_name() { return cpu_model() + ", " + std::string(name(detect_isa())); }

}  // namespace mj
