// SPDX-License-Identifier: Apache-2.0
#include "compile/latency_limit.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "base/file.h"
#include "compile/compile.h"
#include "energy/testing/fake_nvml.h"
#include "import/onnx_builder_test_util.h"
#include "kernels/cuda/testing/emulated_gpu.h"

namespace mj {
namespace {

// Steps by the seconds and joules of their candidates, the cheapest first.
Plan plan_of(const std::vector<std::vector<std::pair<double, double>>>& steps) {
  Plan plan;
  for (const auto& candidates : steps) {
    Step& step = plan.steps.emplace_back();
    step.device.emplace();
    for (const auto& [seconds, joules] : candidates) {
      step.choice.candidates.push_back({"row", "", seconds, std::nullopt, std::nullopt, Joules{joules}});
    }
  }
  return plan;
}

TEST(LatencyLimit, TheDearestSecondIsTheLastToBeSaved) {
  // A second costs 10 W in the first step, 100 W in the second.
  const Plan plan = plan_of({{{2, 10}, {1, 20}}, {{2, 10}, {1, 110}}});
  EXPECT_NEAR(price_to_save(plan, 0.5)->value, 10, 0.01);
  EXPECT_NEAR(price_to_save(plan, 1)->value, 10, 0.01);
  EXPECT_NEAR(price_to_save(plan, 1.5)->value, 100, 0.1);
  EXPECT_EQ(price_to_save(plan, 2.1), std::nullopt);
}

TEST(LatencyLimit, WhatWasNotWeighedSavesNothing) {
  Plan plan = plan_of({{{2, 10}, {1, 20}}, {{2, 10}, {1, 20}}, {}});
  plan.steps[0].choice.candidates[1].joules.reset();
  plan.steps[1].choice.candidates[0].seconds.reset();
  EXPECT_EQ(price_to_save(plan, 0.1), std::nullopt);
  plan.steps[0].choice.candidates[1].joules = Joules{20};
  EXPECT_TRUE(price_to_save(plan, 1));
  plan.steps[0].device.reset();
  EXPECT_EQ(price_to_save(plan, 1), std::nullopt);
}

// Of the kernels for a product the first that is timed takes 10 ms and draws much, the others take a little longer.
TEST(LatencyLimit, AnEngineTakesTheFewestJoulesWithinIt) {
  if (!can_emulate()) GTEST_SKIP() << "there is no C++ compiler to emulate a GPU with";
  namespace onnx_test = onnx::test;
  onnx_test::GraphBuilder graph;
  graph.input("x", {"N", 2}).initializer(onnx_test::floats("w", {2, 3}, {1, 0, -1, 2, 1, 0}));
  graph.node("MatMul", {"x", "w"}, {"y"}, {}, "dense").output("y");
  const std::string path =
      (std::filesystem::temp_directory_path() / fmt::format("mj_latency_limit_{}.onnx", getpid())).string();
  ASSERT_TRUE(write_file_atomically(path, onnx_test::model(graph)).ok());
  FakeNvml nvml;
  EmulatedGpu gpu;
  std::map<std::string, size_t> kernels;
  gpu.driver().on_launch = [&, run = gpu.driver().on_launch](const FakeLaunch& launch) {
    run(launch);
    const std::string code(reinterpret_cast<const char*>(launch.code.data()), launch.code.size());
    const bool first = kernels.try_emplace(code, kernels.size()).first->second == 0;
    gpu.driver().advance(first ? 0.01 : 0.0104);
    nvml.draw(first ? 500 : 300, first ? 0.01 : 0.0104);
  };
  CompileOptions options;
  options.target = *parse_target("cuda-sm90", {});
  options.device = gpu.device();
  options.now = [&] { return nvml.now(); };
  options.tune.compile_code = EmulatedGpu::compile;
  options.tune.gpu.replay_seconds = 1e-6;
  options.tune.most_on_gpu = 2;
  options.tune.objective = Objective::energy;
  options.tune.meter = nvml.meter();
  options.tune.weighing.now = options.now;
  options.tune.weighing.wait = [&](double seconds) { nvml.draw(100, seconds); };
  const auto compiled = [&](double limit) {
    kernels.clear();
    options.max_latency_seconds = limit;
    return compile(path, options);
  };
  const auto joules_of = [](const Result<Compiled>& engine) {
    for (const Step& step : engine->manifest.targets[0].plan.steps) {
      if (step.device) return step.choice.candidates[0].joules->value;
    }
    return 0.0;
  };
  const Result<Compiled> cheap = compiled(1);
  ASSERT_TRUE(cheap.ok()) << cheap.error().message;
  EXPECT_NEAR(*cheap->report.latency_seconds, 0.0104, 1e-5);
  EXPECT_NEAR(joules_of(cheap), 0.0104 * 300, 0.1);
  const Result<Compiled> fast = compiled(0.0102);
  ASSERT_TRUE(fast.ok()) << fast.error().message;
  EXPECT_NEAR(*fast->report.latency_seconds, 0.01, 1e-5);
  EXPECT_NEAR(joules_of(fast), 0.01 * 500, 0.2);
  EXPECT_TRUE(fast->manifest.targets[0].verification.verified);
  const Result<Compiled> never = compiled(0.001);
  ASSERT_FALSE(never.ok());
  EXPECT_EQ(never.error().code, ErrorCode::model);
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "--max-latency-ms 1: with the fastest choices a run takes 10 ms",
                      never.error().message);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace mj
