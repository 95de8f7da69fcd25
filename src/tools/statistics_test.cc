// SPDX-License-Identifier: Apache-2.0
#include "tools/statistics.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <numeric>

namespace mj {
namespace {

TEST(Statistics, AreThoseOfTheSortedValues) {
  std::vector<double> values(100);
  std::iota(values.rbegin(), values.rend(), 1.0);
  const LatencyStatistics s = statistics(values);
  EXPECT_EQ(s.min, 1);
  EXPECT_EQ(s.max, 100);
  EXPECT_EQ(s.mean, 50.5);
  EXPECT_EQ(s.median, 50);
  EXPECT_EQ(s.p90, 90);
  EXPECT_EQ(s.p95, 95);
  EXPECT_EQ(s.p99, 99);
  EXPECT_NEAR(s.deviation, 29.01, 0.01);
}

TEST(Statistics, OneValueIsAllOfThem) {
  const LatencyStatistics s = statistics({3});
  EXPECT_EQ(s.min, 3);
  EXPECT_EQ(s.median, 3);
  EXPECT_EQ(s.p99, 3);
  EXPECT_EQ(s.deviation, 0);
  EXPECT_EQ(latency_json({3, 5})["max"], 5);
}

}  // namespace
}  // namespace mj
