// SPDX-License-Identifier: Apache-2.0
// Latency figures as users of trtexec know them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

namespace mj {

struct LatencyStatistics {
  double min = 0, max = 0, mean = 0, median = 0, p90 = 0, p95 = 0, p99 = 0;  // of what went in, the same unit
  double deviation = 0;                                                      // standard deviation
};

// At least one value.
LatencyStatistics statistics(std::vector<double> values);
nlohmann::ordered_json latency_json(const std::vector<double>& milliseconds);

}  // namespace mj
