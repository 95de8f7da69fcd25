// SPDX-License-Identifier: Apache-2.0
#include "tune/tuner.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"

namespace mj {
namespace {

// relu(x) for x f32[N,64]: what pointwise rows take.
Problem pointwise() {
  Problem problem;
  problem.op = op("relu");
  problem.anchor_inputs = 1;
  problem.inputs = problem.outputs = {{DType::f32, {Dim::symbol("N"), Dim(64)}, false}};
  return problem;
}

// x * w + b with constant weights: several rows or configurations take it.
struct Gemm {
  Problem problem;
  std::vector<Tensor> constants;
};
Gemm gemm() {
  Gemm g;
  g.problem.op = op("gemm");
  g.problem.anchor_inputs = 3;
  g.problem.inputs = {
      {DType::f32, {Dim(8), Dim(32)}, false}, {DType::f32, {Dim(32), Dim(16)}, true}, {DType::f32, {Dim(16)}, true}};
  g.problem.outputs = {{DType::f32, {Dim(8), Dim(16)}, false}};
  g.constants = {Tensor(), Tensor::zeros(DType::f32, {32, 16}), Tensor::zeros(DType::f32, {16})};
  return g;
}

class TunerTest : public testing::Test {
 protected:
  Chosen choose(const TuneOptions& options, const Problem& problem, const std::vector<Tensor>& constants) {
    Tuner tuner(options, cache_, pool_);
    Result<Chosen> chosen = tuner.choose(problem, constants);
    EXPECT_TRUE(chosen.ok()) << (chosen.ok() ? "" : chosen.error().message);
    measured_ = tuner.measured();
    hits_ = tuner.cache_hits();
    return std::move(chosen).value();
  }
  static TuneOptions fast() {
    TuneOptions options;
    options.target.isa = detect_isa();
    options.seconds_a_candidate = 0.0005;
    return options;
  }

  TacticCache cache_;
  ThreadPool pool_{1};
  int measured_ = 0, hits_ = 0;
};

TEST_F(TunerTest, TheFirstCandidateIsTheChoiceAndNoneOfTheOthersIsClearlyFaster) {
  const Gemm g = gemm();
  const Choice choice = choose(fast(), g.problem, g.constants).choice;
  ASSERT_FALSE(choice.candidates.empty());
  EXPECT_EQ(choice.candidates[0].row, choice.row);
  EXPECT_EQ(choice.candidates[0].config, choice.config);
  EXPECT_EQ(choice.candidates.back().row, "reference");
  for (const Candidate& candidate : choice.candidates) {
    if (candidate.seconds) {
      EXPECT_LE(*choice.candidates[0].seconds, 1.1 * *candidate.seconds);  // a library's row is held back by as much
    }
  }
}

TEST_F(TunerTest, EveryRowOfTheFamilyIsACandidateOrRefused) {
  Gemm g = gemm();
  const Choice choice = choose(fast(), g.problem, g.constants).choice;
  for (const SelectRow* row : rows_for(g.problem, {})) {
    auto named = [&](const auto& list) {
      return std::any_of(list.begin(), list.end(), [&](const auto& one) { return one.row == row->name; });
    };
    EXPECT_NE(named(choice.candidates), named(choice.refused)) << row->name;
  }
}

TEST_F(TunerTest, WhatNoFastRowTakesGoesToTheReferenceWithReasons) {
  Problem problem = pointwise();
  problem.op = op("neg");
  problem.inputs[0].dtype = problem.outputs[0].dtype = DType::i64;
  const Choice choice = choose(fast(), problem, {Tensor()}).choice;
  EXPECT_EQ(choice.row, "reference");
  ASSERT_FALSE(choice.refused.empty());
  for (const Refused& refused : choice.refused) EXPECT_FALSE(refused.reason.empty()) << refused.row;
}

TEST_F(TunerTest, AForcedRowIsTakenWhereItCan) {
  TuneOptions options = fast();
  options.forced = "pointwise:reference";
  Choice choice = choose(options, pointwise(), {Tensor()}).choice;
  EXPECT_EQ(choice.row, "reference");
  EXPECT_EQ(choice.refused[0].reason, "left out by MJ_TACTIC=pointwise:reference");
  options.forced = "-pointwise";
  EXPECT_EQ(choose(options, pointwise(), {Tensor()}).choice.row, "reference");
  options.forced = "gemm:reference";  // another family
  EXPECT_EQ(choose(options, pointwise(), {Tensor()}).choice.row, "pointwise_f32");
  options.forced = "pointwise:no_such_row";
  EXPECT_EQ(choose(options, pointwise(), {Tensor()}).choice.row, "reference");
  options.forced = "gemm:gemm_f32,pointwise:pointwise_f32,-onednn";
  EXPECT_EQ(choose(options, pointwise(), {Tensor()}).choice.row, "pointwise_f32");
}

TEST(Forced, WordsThatNoRowAnswersToAreNamed) {
  for (const char* good : {"", "-onednn", "gemm:gemm_f32", "gemm:reference", "conv:conv_f32,gemm:gemm_f32,-winograd"})
    EXPECT_TRUE(check_forced(good).ok()) << good;
  for (const std::string bad : {"gemm", "-", "-no_such", "gemm:no_such", "conv:gemm_f32"}) {
    const Result<void> result = check_forced("-onednn," + bad);
    ASSERT_FALSE(result.ok()) << bad;
    EXPECT_NE(result.error().message.find("'" + bad + "'"), std::string::npos) << result.error().message;
  }
}

TEST_F(TunerTest, AFullCacheDecidesWithoutMeasuring) {
  const Gemm g = gemm();
  const Chosen first = choose(fast(), g.problem, g.constants);
  EXPECT_EQ(hits_, 0);
  const Chosen second = choose(fast(), g.problem, g.constants);
  EXPECT_EQ(hits_, 1);
  EXPECT_EQ(measured_, 0);
  EXPECT_EQ(first.choice, second.choice);
  ASSERT_EQ(first.packed.tensors.size(), second.packed.tensors.size());
  for (size_t i = 0; i < first.packed.tensors.size(); ++i) {
    EXPECT_TRUE(identical(first.packed.tensors[i], second.packed.tensors[i]));
  }
}

TEST_F(TunerTest, ACacheEntryThatNoRowOffersIsAMiss) {
  const Gemm g = gemm();
  const Choice good = choose(fast(), g.problem, g.constants).choice;
  const std::string path = testing::TempDir() + "mj_tuner_test.jsonl";
  ASSERT_TRUE(cache_.write(path).ok());
  const std::vector<std::byte> bytes = read_file(path, 1 << 20).value();
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string config = fmt::format("\"config\":\"{}\",\"candidates\"", good.config);
  for (const std::string bad : {"\"config\":\"nonsense=1\",\"candidates\"", "\"config\":\"mr=-1\",\"candidates\""}) {
    std::string edited = text;
    ASSERT_NE(edited.find(config), std::string::npos);
    edited.replace(edited.find(config), config.size(), bad);
    ASSERT_TRUE(write_file_atomically(path, edited).ok());
    cache_ = TacticCache::read(path).value();
    ASSERT_EQ(cache_.size(), 1u);
    EXPECT_NE(choose(fast(), g.problem, g.constants).choice.config.substr(0, 8), "nonsense");
    EXPECT_EQ(hits_, 0);
  }
  std::filesystem::remove(path);
}

TEST_F(TunerTest, WhatWasNotMeasuredIsNotRemembered) {
  const Gemm g = gemm();
  choose(fast(), g.problem, g.constants);
  const bool is_contest = measured_ > 0;
  cache_ = {};
  TuneOptions estimate = fast();
  estimate.measure = false;
  const Choice guess = choose(estimate, g.problem, g.constants).choice;
  EXPECT_EQ(measured_, 0);
  EXPECT_NE(guess.row, "reference");
  EXPECT_EQ(cache_.size(), is_contest ? 0u : 1u);
  TuneOptions no_time = fast();
  no_time.seconds_in_all = 0;
  choose(no_time, g.problem, g.constants);
  EXPECT_EQ(measured_, 0);
  EXPECT_EQ(cache_.size(), is_contest ? 0u : 1u);
}

}  // namespace
}  // namespace mj
