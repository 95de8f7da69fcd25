// SPDX-License-Identifier: Apache-2.0
// How the configurations of row `plugin` name the ways that an operator offers.
#pragma once

#include <string>
#include <vector>

#include "millijoule/plugin.h"

namespace mj {

// In the operator's order; at least one.
inline std::vector<std::string> plugin_configs(const mj_operator& op) {
  if (op.tactic_count == 0) return {""};
  std::vector<std::string> configs;
  for (size_t i = 0; i < op.tactic_count; ++i) configs.push_back(std::string("tactic=") + op.tactics[i]);
  return configs;
}

}  // namespace mj
