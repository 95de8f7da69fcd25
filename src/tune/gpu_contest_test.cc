// SPDX-License-Identifier: Apache-2.0
#include "tune/gpu_contest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "device/cuda/testing/fake_driver.h"
#include "energy/testing/fake_nvml.h"

namespace mj {
namespace {

// Kernels of three addresses, input, constant and output; each takes as many microseconds as its name says.
class GpuContestTest : public testing::Test {
 protected:
  GpuContestTest() {
    fake.parameter_bytes = [](const FakeLaunch&) { return std::vector<size_t>{8, 8, 8}; };
    fake.on_launch = [this](const FakeLaunch& launch) {
      const double seconds = 1e-6 * std::stod(launch.function.substr(1));
      fake.advance(seconds);
      ++launches[launch.function];
      for (size_t i = 0; i < 3; ++i) seen[i].insert(*static_cast<float**>(launch.args[i]));
      if (at_launch) at_launch(seconds);
    };
    problem.op = op("relu");
    problem.anchor_inputs = 1;
    problem.inputs = {{DType::f32, {Dim::symbol("N"), Dim(1000)}, false}, {DType::f32, {Dim(100)}, true}};
    problem.outputs = {{DType::f32, {Dim::symbol("N"), Dim(1000)}, false}};
  }

  DeviceCode code(const std::string& function) const {
    using Kind = LaunchArg::Kind;
    Launch launch{function, {Dim::symbol("N"), 1, 1}, {128, 1, 1}, 0, {}, true};
    launch.args = {{Kind::input, 0, 0}, {packs ? Kind::packed : Kind::input, packs ? 0 : 1, 0}, {Kind::output, 0, 0}};
    return {Tensor::of<uint8_t>({3}, std::vector<uint8_t>{'a', 'b', 'c'}), {launch}, 0, {}};
  }
  Result<std::vector<double>> times(const std::vector<std::string>& functions) {
    MJ_ASSIGN(const std::shared_ptr<const CudaDevice> device, CudaDevice::open(0, fake.driver()));
    MJ_ASSIGN(const auto contest, GpuContest::make(device, problem, constants, bindings, options));
    for (const std::string& function : functions) {
      MJ_TRY(contest->add("row " + function, code(function), packs ? Packed{{constants[1]}, {1}} : Packed{}));
    }
    return contest->run();
  }

  FakeDriver fake;
  Problem problem;
  std::vector<Tensor> constants = {Tensor(), Tensor::of<float>({100}, std::vector<float>(100, 0.25f))};
  Bindings bindings = {{"N", 500}};
  GpuContestOptions options;
  bool packs = false;
  std::map<std::string, int> launches;
  std::set<float*> seen[3];
  std::function<void(double)> at_launch;
};

TEST_F(GpuContestTest, ATimeForEachInTheOrderOfEntry) {
  const Result<std::vector<double>> measured = times({"k30", "k20", "k25", "k500"});
  ASSERT_TRUE(measured.ok()) << measured.error().message;
  ASSERT_EQ(measured->size(), 4u);
  EXPECT_NEAR((*measured)[0], 30e-6, 1e-6);
  EXPECT_NEAR((*measured)[1], 20e-6, 1e-6);
  EXPECT_NEAR((*measured)[2], 25e-6, 1e-6);
  EXPECT_NEAR((*measured)[3], 500e-6, 5e-6);
  EXPECT_EQ(launches["k500"], 2) << "far behind after its first run";
  EXPECT_EQ(fake.left(), "");
}

TEST_F(GpuContestTest, AReplayTakesAboutAsLongAsAsked) {
  ASSERT_TRUE(times({"k1", "k100", "k5000"}).ok());
  EXPECT_EQ(launches["k5000"], 2);
  launches.clear();
  options.seconds = 0;
  ASSERT_TRUE(times({"k10000"}).ok());  // one run is more than was asked for
  EXPECT_EQ(launches["k10000"], 2 + 5 + 3);
}

TEST_F(GpuContestTest, InputsTakeTurnsAndAreNoise) {
  // 2 MB of input and of output, 8 MiB of L2.
  const Result<std::vector<double>> measured = times({"k10"});
  ASSERT_TRUE(measured.ok()) << measured.error().message;
  EXPECT_EQ(seen[0].size(), 3u);
  EXPECT_EQ(seen[1].size(), 1u);
  EXPECT_EQ(seen[2].size(), 3u);
  bindings["N"] = 7;
  at_launch = [this](double) {
    const float *x = *seen[0].begin(), *constant = *seen[1].begin();
    double sum = 0, most = 0;
    for (int i = 0; i < 7000; ++i) {
      sum += std::abs(x[i]);
      most = std::max<double>(most, std::abs(x[i]));
    }
    EXPECT_NEAR(sum / 7000, 0.5, 0.02);
    EXPECT_LE(most, 1);
    EXPECT_EQ(constant[99], 0.25f);
  };
  for (auto& addresses : seen) addresses.clear();
  ASSERT_TRUE(times({"k10"}).ok());
  EXPECT_EQ(seen[0].size(), 8u);
}

TEST_F(GpuContestTest, NoiseIsRepeatedToTheEndOfALargeInput) {
  fake.facts.memory_bytes = int64_t{1} << 30;
  bindings["N"] = 3001;  // 12 MB, not a multiple of the noise
  at_launch = [this](double) {
    const float* x = *seen[0].begin();
    EXPECT_EQ(x[0], x[1 << 20]);
    EXPECT_EQ(x[3'000'999], x[3'000'999 - (2 << 20)]);
    EXPECT_NE(x[0], x[1]);
  };
  ASSERT_TRUE(times({"k10"}).ok());
}

TEST_F(GpuContestTest, ColdConstantsTakeTurnsToo) {
  options.cold_constants = true;
  for (const bool packed : {false, true}) {
    packs = packed;
    for (auto& addresses : seen) addresses.clear();
    ASSERT_TRUE(times({"k10"}).ok());
    EXPECT_EQ(seen[1].size(), 64u);
    at_launch = [this](double) {
      for (const float* x : seen[1]) EXPECT_EQ(x[99], 0.25f);
    };
  }
}

TEST_F(GpuContestTest, EqualEntriesAreTimedOnce) {
  const Result<std::vector<double>> measured = times({"k30", "k20", "k30"});
  ASSERT_TRUE(measured.ok()) << measured.error().message;
  EXPECT_EQ((*measured)[0], (*measured)[2]);
  const std::vector<std::string> calls = fake.call_names();
  EXPECT_EQ(std::count(calls.begin(), calls.end(), "module_load_data"), 2);
}

TEST_F(GpuContestTest, WhatFailsIsNamed) {
  fake.has_function = [](std::span<const std::byte>, const std::string& name) { return name != "k30"; };
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "row k30: looking for kernel 'k30'", times({"k20", "k30"}).error().message);
  fake.has_function = nullptr;
  problem.inputs[0].shape[0] = Dim::symbol("M");
  EXPECT_FALSE(times({"k20"}).ok());  // nothing binds it
  problem.inputs[0].shape[0] = Dim(int64_t{1} << 40);
  EXPECT_EQ(times({"k20"}).error().code, ErrorCode::environment);
  EXPECT_EQ(fake.left(), "");
}

TEST_F(GpuContestTest, EveryCallMayFail) {
  bindings["N"] = 3;
  options.replay_seconds = 4e-5;
  options.seconds = 0;
  packs = true;
  const auto run = [&] { return times({"k30", "k20"}); };
  ASSERT_TRUE(run().ok());
  const int64_t before = fake.calls();
  ASSERT_TRUE(run().ok());
  const int64_t calls = fake.calls() - before;
  int64_t errors = 0;
  for (int64_t n = 1; n <= calls; ++n) {
    fake.fail_nth(n);
    const Result<std::vector<double>> measured = run();
    if (!measured.ok()) {
      ++errors;
      EXPECT_EQ(measured.error().code, ErrorCode::environment) << measured.error().message;
    }
    EXPECT_EQ(fake.left(), "") << n;
  }
  EXPECT_GT(errors, calls / 2);  // the others give things back
  ASSERT_TRUE(run().ok());
}

// After a fault the context is lost.
TEST_F(GpuContestTest, AFaultIsAnErrorOfItsContestant) {
  options.replay_seconds = 1e-6;
  const auto device = CudaDevice::open(0, fake.driver()).value();
  const auto contest = GpuContest::make(device, problem, constants, bindings, options).value();
  contest->add("row k20", code("k20"), {}).value();
  fake.on_launch = nullptr;
  fake.fail_nth(2, cuda::kIllegalAddress);  // the first launch, after its context was made current
  const Result<std::vector<double>> measured = contest->run();
  ASSERT_FALSE(measured.ok());
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "timing row k20: ", measured.error().message);
}

// On this driver streams take turns, so that a run takes as long as alone.
TEST_F(GpuContestTest, SeveralRunsAtOnceAreCountedEach) {
  options.at_once = 4;
  options.seconds = 0;
  const Result<std::vector<double>> measured = times({"k30", "k20"});
  ASSERT_TRUE(measured.ok()) << measured.error().message;
  EXPECT_NEAR((*measured)[0], 30e-6, 1e-6);
  EXPECT_NEAR((*measured)[1], 20e-6, 1e-6);
  const std::vector<std::string> calls = fake.call_names();
  EXPECT_EQ(std::count(calls.begin(), calls.end(), "stream_create"), 4);
  EXPECT_EQ(std::count(calls.begin(), calls.end(), "graph_instantiate"), 8);
  EXPECT_EQ(launches["k20"] % 4, 2) << "twice alone, then four at a time";
  EXPECT_EQ(fake.left(), "");
  const int64_t all = fake.calls();
  int64_t errors = 0;
  for (int64_t n = 1; n <= all; ++n) {
    fake.fail_nth(n);
    errors += !times({"k3000"}).ok();
    EXPECT_EQ(fake.left(), "") << n;
    if (n > 200) break;
  }
  EXPECT_GT(errors, 60);
}

TEST_F(GpuContestTest, JoulesAreThoseOfARun) {
  FakeNvml nvml;
  at_launch = [&](double seconds) { nvml.draw(300, seconds); };
  const auto device = CudaDevice::open(0, fake.driver()).value();
  const auto contest = GpuContest::make(device, problem, constants, bindings, options).value();
  for (const std::string function : {"k30000", "k20000"}) contest->add(function, code(function), {}).value();
  ASSERT_TRUE(contest->run().ok());
  GpuEnergyOptions weighing;
  weighing.settle_seconds = weighing.idle_seconds = 0;
  weighing.warm_up_seconds = 0.1;
  weighing.window_seconds = 1;
  weighing.now = [&] { return nvml.now(); };
  weighing.wait = [&](double seconds) { nvml.draw(100, seconds); };
  const std::unique_ptr<NvmlMeter> meter = nvml.meter();
  for (const auto& [contestant, joules] : {std::pair(0, 9.0), {1, 6.0}}) {
    const Result<GpuEnergy> energy = contest->weigh(static_cast<size_t>(contestant), *meter, weighing);
    ASSERT_TRUE(energy.ok()) << energy.error().message;
    EXPECT_EQ(energy->why_not, "");
    EXPECT_NEAR(energy->mean.value, joules, 0.05 * joules);
    EXPECT_NEAR(energy->windows[0].value, joules, 0.1 * joules);
  }
  fake.fail_nth(100);
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "weighing k20000: ", contest->weigh(1, *meter, weighing).error().message);
}

}  // namespace
}  // namespace mj
