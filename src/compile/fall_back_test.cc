// SPDX-License-Identifier: Apache-2.0
#include "compile/fall_back.h"

#include <gtest/gtest.h>

namespace mj {
namespace {

// Two steps and one with a branch; the first and the branch's own round if `low`.
Plan rounding_plan(bool low) {
  const std::optional<DType> products = low ? std::optional(DType::bf16) : std::nullopt;
  Plan inner;
  inner.steps.resize(1);
  inner.steps[0].problem.products = products;
  Plan plan;
  plan.tensors.resize(2);
  plan.steps.resize(3);
  plan.steps[0].problem.products = products;
  plan.steps[0].origin = {"a", "b"};
  plan.steps[2].kind = Step::Kind::branch;
  plan.steps[2].branches = {std::make_shared<const Plan>(), std::make_shared<const Plan>(inner)};
  return plan;
}

TEST(FallBack, FindsWhatRounds) {
  EXPECT_EQ(rounding_steps(rounding_plan(true)), (std::vector<size_t>{0, 2}));
  EXPECT_EQ(count_rounding(rounding_plan(true)), 2);
  EXPECT_TRUE(rounding_steps(rounding_plan(false)).empty());
  EXPECT_EQ(place_of(rounding_plan(true).steps[0]), "a + b");
}

TEST(FallBack, PutsStepsBackOneByOne) {
  const Plan low = rounding_plan(true), high = rounding_plan(false);
  ASSERT_TRUE(interchangeable(low, high));
  const size_t last = 2;
  EXPECT_EQ(rounding_steps(with_steps(low, high, std::span(&last, 1))), std::vector<size_t>{0});
  EXPECT_EQ(rounding_steps(with_steps(high, low, std::span(&last, 1))), std::vector<size_t>{2});
  EXPECT_EQ(with_steps(low, high, {}), low);
}

TEST(FallBack, StepsThatReadOtherTensorsStayWhereTheyAre) {
  Plan other = rounding_plan(false);
  other.steps[1].inputs = {0};
  EXPECT_FALSE(interchangeable(rounding_plan(true), other));
  other = rounding_plan(false);
  other.tensors.pop_back();
  EXPECT_FALSE(interchangeable(rounding_plan(true), other));
}

}  // namespace
}  // namespace mj
