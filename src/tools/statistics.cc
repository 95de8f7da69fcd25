// SPDX-License-Identifier: Apache-2.0
#include "tools/statistics.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/check.h"

namespace mj {

LatencyStatistics statistics(std::vector<double> values) {
  CHECK(!values.empty(), "statistics of nothing");
  std::sort(values.begin(), values.end());
  const auto n = static_cast<double>(values.size());
  // The smallest value that at least this share of all is not above.
  auto at = [&](double share) { return values[static_cast<size_t>(std::max(0.0, std::ceil(share * n) - 1))]; };
  LatencyStatistics s;
  s.min = values.front();
  s.max = values.back();
  s.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  s.median = at(0.5);
  s.p90 = at(0.9);
  s.p95 = at(0.95);
  s.p99 = at(0.99);
  double squares = 0;
  for (double x : values) squares += (x - s.mean) * (x - s.mean);
  s.deviation = values.size() > 1 ? std::sqrt(squares / (n - 1)) : 0;
  return s;
}

nlohmann::ordered_json latency_json(const std::vector<double>& milliseconds) {
  const LatencyStatistics s = statistics(milliseconds);
  return {{"min", s.min}, {"max", s.max}, {"mean", s.mean}, {"median", s.median},
          {"p90", s.p90}, {"p95", s.p95}, {"p99", s.p99},   {"deviation", s.deviation}};
}

}  // namespace mj
