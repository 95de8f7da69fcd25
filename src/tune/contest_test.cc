// SPDX-License-Identifier: Apache-2.0
#include "tune/contest.h"

#include <gtest/gtest.h>

namespace mj {
namespace {

// relu of f32 numbers in this shape.
Problem relu(Shape shape) {
  Problem problem;
  problem.op = op("relu");
  problem.anchor_inputs = 1;
  problem.inputs = problem.outputs = {{DType::f32, std::move(shape), false}};
  return problem;
}

const SelectRow& row_named(const Problem& problem, std::string_view name) {
  for (const SelectRow* row : rows_for(problem, {}))
    if (row->name == name) return *row;
  CHECK(false, "no row '{}'", name);
}

TEST(Contest, ATimeForEachInTheOrderOfEntry) {
  const Problem problem = relu({Dim::symbol("N"), Dim(64)});
  const Bindings bindings = {{"N", 256}};
  ThreadPool pool(1);
  Target target;
  target.isa = detect_isa();
  Result<Contest> contest = Contest::make(problem, {}, bindings, pool);
  ASSERT_TRUE(contest.ok()) << contest.error().message;
  for (const std::string_view name : {"reference", "pointwise_f32"})
    ASSERT_TRUE(contest.value().add(row_named(problem, name), "", target).ok());
  const Result<std::vector<double>> seconds = contest.value().run(0.002);
  ASSERT_TRUE(seconds.ok()) << seconds.error().message;
  ASSERT_EQ(seconds.value().size(), 2u);
  for (const double one : seconds.value()) EXPECT_GT(one, 0);
}

TEST(Contest, NoneWithoutContestants) {
  const Problem problem = relu({Dim(4)});
  const Bindings bindings;
  ThreadPool pool(1);
  Result<Contest> contest = Contest::make(problem, {}, bindings, pool);
  ASSERT_TRUE(contest.ok());
  EXPECT_TRUE(contest.value().run(0.001).value().empty());
}

TEST(Contest, SizesThatDoNotFitAreAnError) {
  const Problem problem = relu({Dim::symbol("N") - Dim(8), Dim(64)});
  ThreadPool pool(1);
  const Bindings too_small = {{"N", 1}}, unknown;
  EXPECT_FALSE(Contest::make(problem, {}, too_small, pool).ok());
  EXPECT_FALSE(Contest::make(problem, {}, unknown, pool).ok());
}

}  // namespace
}  // namespace mj
