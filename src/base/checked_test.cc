// SPDX-License-Identifier: Apache-2.0
#include "base/checked.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "base/hash64.h"
#include "base/units.h"

namespace mj {
namespace {

constexpr int64_t kMax = INT64_MAX;

TEST(Checked, AddAndMultiply) {
  EXPECT_EQ(checked_add<int64_t>(2, 3), 5);
  EXPECT_EQ(checked_add(kMax, 1), std::nullopt);
  EXPECT_EQ(checked_mul(kMax, 2), std::nullopt);
  EXPECT_EQ(checked_mul<int64_t>(INT64_MIN, -1), std::nullopt);
  EXPECT_EQ(checked_mul<size_t>(SIZE_MAX, 2), std::nullopt);
  EXPECT_EQ(checked_add<size_t>(SIZE_MAX, 0), SIZE_MAX);
}

TEST(Checked, ElementsAndBytes) {
  const auto count = [](std::vector<int64_t> dims) { return element_count(dims); };
  EXPECT_EQ(*count({}), 1);
  EXPECT_EQ(*count({2, 3, 4}), 24);
  EXPECT_EQ(*count({0, kMax, kMax}), 0);
  EXPECT_EQ(*count({kMax, kMax, 0}), 0);
  EXPECT_FALSE(count({kMax, 2}).ok());
  EXPECT_FALSE(count({0, -1}).ok());
  const std::vector<int64_t> dims = {2, 3}, many = {kMax};
  EXPECT_EQ(*tensor_bytes(DType::f32, dims), 24);
  EXPECT_EQ(*tensor_bytes(DType::i8, many), kMax);
  EXPECT_FALSE(tensor_bytes(DType::f16, many).ok());
}

TEST(Checked, ParsesWholeNumbersOnly) {
  EXPECT_EQ(parse_int64("-12"), -12);
  EXPECT_EQ(parse_int64("9223372036854775807"), kMax);
  for (const char* text : {"", " 1", "1 ", "+1", "1x", "1.0", "0x10", "9223372036854775808", "-"}) {
    EXPECT_EQ(parse_int64(text), std::nullopt) << text;
  }
  EXPECT_EQ(parse_double("-1.5e3"), -1500.0);
  EXPECT_TRUE(std::isinf(parse_double("inf").value_or(0)));
  EXPECT_TRUE(std::isnan(parse_double("nan").value_or(0)));
  for (const char* text : {"", "1,5", "1.5 ", "1e", "1e999"}) EXPECT_EQ(parse_double(text), std::nullopt) << text;
}

TEST(Hash64, SpreadsAndIsStable) {
  std::set<uint64_t> seen;
  std::string text;
  for (int i = 0; i < 100; ++i, text += 'a') seen.insert(hash64(text));
  for (uint64_t i = 0; i < 1000; ++i) seen.insert(mix64(i, 7));
  EXPECT_EQ(seen.size(), 1100u);
  EXPECT_NE(hash64("a", 1), hash64("a", 2));
  EXPECT_NE(hash64(std::string_view("\0", 1)), hash64(""));
  // Stands in tactic caches: a change of the function throws them all away.
  EXPECT_EQ(hash64("The quick brown fox jumps over the lazy dog"), 1422852302643174780u);
}

TEST(Units, KeepTheirMeaning) {
  EXPECT_EQ(Watts{75} * Seconds{10}, Joules{750});
  EXPECT_EQ(Joules{750} / Seconds{10}, Watts{75});
  EXPECT_EQ(Joules{3} / Joules{2}, 1.5);
  EXPECT_LT(GramsCo2e{1} + GramsCo2e{2}, GramsCo2e{4});
}

}  // namespace
}  // namespace mj
