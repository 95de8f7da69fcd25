// SPDX-License-Identifier: Apache-2.0
#include "energy/carbon.h"

#include <gtest/gtest.h>

namespace mj {
namespace {

TEST(Carbon, AYearOfRequests) {
  // 1e8 inferences a day, 10 ms at 75 W each: 7.6 MWh a year.
  const AnnualFigures year = annual(1e8, Watts{75} * Seconds{0.010}, {"test", 400, "", "", ""});
  EXPECT_NEAR(year.kwh, 7604.2, 0.1);
  EXPECT_NEAR(year.co2.value, 7604.2 * 400, 100);
  EXPECT_DOUBLE_EQ(year.requests, 3.65e10);
}

TEST(Carbon, OneKilowattHour) {
  EXPECT_DOUBLE_EQ(kilowatt_hours(Joules{3.6e6}), 1);
  EXPECT_DOUBLE_EQ(emissions(Joules{3.6e6}, {"", 381, "", "", ""}, 1.5).value, 381 * 1.5);
}

TEST(Carbon, PlacesByCode) {
  EXPECT_DOUBLE_EQ(grid_factor("DEU")->grams_per_kwh, 381);
  EXPECT_DOUBLE_EQ(grid_factor("FR")->grams_per_kwh, 56);
  EXPECT_EQ(grid_factor("")->place, "world (default factor)");
}

TEST(Carbon, AnUnknownPlaceListsTheKnownOnes) {
  const Result<GridFactor> factor = grid_factor("Atlantis");
  ASSERT_FALSE(factor.ok());
  EXPECT_NE(factor.error().message.find("DEU"), std::string::npos);
  EXPECT_EQ(factor.error().code, ErrorCode::usage);
}

}  // namespace
}  // namespace mj
