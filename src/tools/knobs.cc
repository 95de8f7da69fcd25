// SPDX-License-Identifier: Apache-2.0
#include "base/knobs.h"

#include <nlohmann/json.hpp>

#include "tools/output.h"
#include "tools/verbs.h"

namespace mj {

Result<int> run_knobs(const Common& common) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const KnobRow& row : knob_rows()) {
    say(common, fmt::format("{:<10} {:<9} {}", row.variable, row.fallback.empty() ? "-" : row.fallback, row.help));
    rows.push_back({{"variable", row.variable}, {"default", row.fallback}, {"help", row.help}});
  }
  MJ_TRY(write_json(common, {{"schema", "millijoule.knobs/1"}, {"knobs", rows}}));
  return 0;
}

}  // namespace mj
