// SPDX-License-Identifier: Apache-2.0
#include "tune/tuner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>

#include "base/file.h"
#include "base/log.h"
#include "device/cuda/nvrtc.h"
#include "device/cuda/testing/fake_driver.h"
#include "energy/testing/fake_nvml.h"
#include "kernels/cuda/testing/emulate.h"
#include "tune/module_text.h"

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

// On a GPU where only the time a kernel takes is emulated.
class GpuTunerTest : public TunerTest {
 protected:
  GpuTunerTest() {
    options_.target = parse_target("cuda-sm90", Target()).value();
    options_.compile_code = [this](const std::string& source, int, const std::string&) {
      const std::lock_guard lock(mutex_);
      ++compiled_;
      const auto bytes = std::as_bytes(std::span(source));
      return Result<std::vector<std::byte>>({bytes.begin(), bytes.end()});
    };
    options_.gpu.replay_seconds = 1e-6;
    fake_.parameter_bytes = [](const FakeLaunch& launch) {
      return parameter_sizes({reinterpret_cast<const char*>(launch.code.data()), launch.code.size()}, launch.function);
    };
    // Each kernel takes 2 % more time than the one before it.
    fake_.on_launch = [this](const FakeLaunch& launch) {
      const auto number = kernels_.try_emplace(launch.code.data(), kernels_.size()).first->second;
      const double seconds = 0.01 * (1 + 0.02 * static_cast<double>(number));
      fake_.advance(seconds);
      if (at_launch_) at_launch_(number, seconds);
    };
    const auto half = [&](int64_t rows, int64_t columns, bool constant) {
      return Operand{DType::f16, {Dim(rows), Dim(columns)}, constant};
    };
    product_.problem.op = op("gemm");
    product_.problem.anchor_inputs = 2;
    product_.problem.inputs = {half(128, 128, false), half(128, 128, true)};
    product_.problem.outputs = {half(128, 128, false)};
    product_.constants = {Tensor(), Tensor::zeros(DType::f16, {128, 128})};
  }
  void open() { options_.device = CudaDevice::open(0, fake_.driver()).value(); }
  Choice choose_product() { return choose(options_, product_.problem, product_.constants).choice; }
  int timed(const Choice& choice) const {
    return static_cast<int>(std::count_if(choice.candidates.begin(), choice.candidates.end(),
                                          [](const Candidate& c) { return c.seconds.has_value(); }));
  }

  FakeDriver fake_;
  FakeNvml nvml_;
  TuneOptions options_;
  Gemm product_;
  std::mutex mutex_;
  int compiled_ = 0;
  std::map<const void*, size_t> kernels_;
  std::function<void(size_t number, double seconds)> at_launch_;
};

TEST_F(GpuTunerTest, CandidatesAreTimedOnTheGpuAtHand) {
  open();
  const Choice choice = choose_product();
  ASSERT_GE(choice.candidates.size(), 3u);
  EXPECT_GE(timed(choice), 2);
  EXPECT_EQ(measured_, timed(choice));
  EXPECT_NEAR(*choice.candidates[0].seconds, 0.01, 1e-4);
  for (size_t i = 1; i < choice.candidates.size() && choice.candidates[i].seconds; ++i) {
    EXPECT_LE(*choice.candidates[i - 1].seconds, *choice.candidates[i].seconds);
  }
  EXPECT_LE(compiled_, measured_) << "the chosen one is not compiled again";

  // What was measured is remembered, for this GPU and driver.
  EXPECT_EQ(choose_product(), choice);
  EXPECT_EQ(hits_, 1);
  EXPECT_EQ(measured_, 0);
  options_.device.reset();
  fake_.facts.driver_version += 10;
  open();
  choose_product();
  EXPECT_EQ(hits_, 0);
  EXPECT_GT(measured_, 1);
  options_.device.reset();
  EXPECT_EQ(fake_.left(), "");
}

TEST_F(GpuTunerTest, WithoutTheGpuOrTimeTheyAreEstimated) {
  const Choice by_estimate = choose_product();
  EXPECT_EQ(timed(by_estimate), 0);
  EXPECT_EQ(compiled_, 1);
  open();
  options_.seconds_in_all = 0;
  EXPECT_EQ(choose_product(), by_estimate);
  options_.seconds_in_all = 60;
  options_.measure = false;
  EXPECT_EQ(choose_product(), by_estimate);
  EXPECT_EQ(cache_.size(), 0u);
}

TEST_F(GpuTunerTest, OnlyThoseThatPromiseMostAreTimed) {
  const Choice by_estimate = choose_product();
  open();
  options_.most_on_gpu = 2;
  const Choice choice = choose_product();
  EXPECT_EQ(timed(choice), 2);
  EXPECT_EQ(choice.candidates.size(), by_estimate.candidates.size());
  for (const Candidate& candidate : {choice.candidates[0], choice.candidates[1]}) {
    EXPECT_LE(*candidate.estimated_seconds, *by_estimate.candidates[1].estimated_seconds);
  }
}

TEST_F(GpuTunerTest, WhatCannotBeCompiledIsNamed) {
  open();
  options_.compile_code = [](const std::string&, int, const std::string& name) -> Result<std::vector<std::byte>> {
    return error(ErrorCode::environment, "compiling {}", name);
  };
  Tuner tuner(options_, cache_, pool_);
  const Result<Chosen> chosen = tuner.choose(product_.problem, product_.constants);
  ASSERT_FALSE(chosen.ok());
  EXPECT_EQ(chosen.error().message.rfind("gemm_cuda", 0), 0u) << chosen.error().message;
  EXPECT_EQ(tuner.compiled(), 0);
}

// A candidate that this machine's compiler does not take is out; the others go on.
TEST_F(GpuTunerTest, WhatCannotBeCompiledLeavesTheOthers) {
  open();
  const auto compile = options_.compile_code;
  std::atomic<int> refused = 0;
  options_.compile_code = [&](const std::string& source, int sm, const std::string& name) {
    if (refused++ == 0) return Result<std::vector<std::byte>>(error(ErrorCode::environment, "too new"));
    return compile(source, sm, name);
  };
  std::string logged;
  set_log_sink([&](LogLevel, std::string_view message) { logged += message; });
  cache_ = {};
  const Choice choice = choose_product();
  set_log_sink({});
  EXPECT_GT(timed(choice), 1);
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "too new", logged);
}

TEST_F(GpuTunerTest, EveryFailingCallIsAnError) {
  open();
  options_.most_on_gpu = 2;
  const auto run = [&] {
    cache_ = {};
    return Tuner(options_, cache_, pool_).choose(product_.problem, product_.constants);
  };
  ASSERT_TRUE(run().ok());
  const int64_t before = fake_.calls();
  ASSERT_TRUE(run().ok());
  const int64_t calls = fake_.calls() - before;
  int64_t errors = 0;
  for (int64_t n = 1; n <= calls; ++n) {
    fake_.fail_nth(n);
    const Result<Chosen> chosen = run();
    if (chosen.ok()) continue;
    ++errors;
    EXPECT_EQ(chosen.error().code, ErrorCode::environment) << chosen.error().message;
    EXPECT_EQ(cache_.size(), 0u);
  }
  EXPECT_GT(errors, calls / 2);  // the others give things back
  options_.device.reset();
  EXPECT_EQ(fake_.left(), "");
}

// Different products, whose kernels all have the same name.
TEST_F(GpuTunerTest, KernelsShareAFewModules) {
  const auto choose_products = [&](Tuner& tuner, int64_t count) {
    std::vector<DeviceCode> steps;
    for (int64_t i = 1; i <= count; ++i) {
      Problem problem = product_.problem;
      problem.outputs[0].shape[0] = problem.inputs[0].shape[0] = Dim(128 * i);
      steps.push_back(*tuner.choose(problem, product_.constants).value().device);
    }
    steps.push_back(steps[0]);
    std::vector<DeviceCode*> joined;
    for (DeviceCode& step : steps) joined.push_back(&step);
    tuner.join_modules(joined);
    return steps;
  };
  const auto modules_of = [](const std::vector<DeviceCode>& steps) {
    std::set<const void*> modules;
    for (const DeviceCode& step : steps) modules.insert(step.code.raw());
    return modules.size();
  };
  const auto text_of = [](const DeviceCode& step) {
    return std::string(static_cast<const char*>(step.code.raw()), static_cast<size_t>(step.code.bytes()));
  };
  {
    Tuner tuner(options_, cache_, pool_);
    compiled_ = 0;
    EXPECT_EQ(modules_of(choose_products(tuner, 8)), 8u);
    EXPECT_EQ(compiled_, 8) << "few enough as they are";
  }
  Tuner tuner(options_, cache_, pool_);
  compiled_ = 0;
  const std::vector<DeviceCode> steps = choose_products(tuner, 20);
  EXPECT_EQ(modules_of(steps), kMostModules);
  EXPECT_EQ(compiled_, 20 + static_cast<int>(kMostModules));
  EXPECT_EQ(steps.front(), steps.back());
  std::set<std::string> names;
  for (const DeviceCode& step : steps) {
    for (const Launch& launch : step.launches) {
      names.insert(launch.function);
      EXPECT_EQ(parameter_sizes(text_of(step), launch.function).size(), launch.args.size()) << launch.function;
    }
  }
  EXPECT_EQ(names.size(), 20 * steps[0].launches.size());
  Tuner again(options_, cache_, pool_);
  EXPECT_EQ(choose_products(again, 20), steps);

  // One that does not compile beside others.
  const auto compile = options_.compile_code;
  options_.compile_code = [&](const std::string& source, int sm, const std::string& name) {
    if (name == "module 3") return Result<std::vector<std::byte>>(error(ErrorCode::environment, "clash"));
    return compile(source, sm, name);
  };
  std::string logged;
  set_log_sink([&](LogLevel, std::string_view message) { logged += message; });
  Tuner clashing(options_, cache_, pool_);
  const std::vector<DeviceCode> apart = choose_products(clashing, 20);
  set_log_sink({});
  EXPECT_GT(modules_of(apart), kMostModules);
  EXPECT_LT(modules_of(apart), 20u);
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "stay in modules of their own", logged);
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "clash", logged);
}

// Helpers of several kernels do not get into each other's way.
TEST_F(GpuTunerTest, NvrtcTakesKernelsTogether) {
  if (!nvrtc().ok()) GTEST_SKIP() << nvrtc().error().message;
  std::vector<Generated> generated;
  std::vector<KernelSource> sources;
  for (const int64_t rows : {128, 256}) {
    Problem problem = product_.problem;
    problem.inputs[0].shape[0] = problem.outputs[0].shape[0] = Dim(rows);
    for (const SelectRow* row : rows_for(problem, options_.target)) {
      if (!row->generate || row->refuses(problem, options_.target)) continue;
      generated.push_back(row->generate(problem, options_.target, row->configs(problem, options_.target)[0]));
    }
  }
  ASSERT_GE(generated.size(), 4u);
  for (const Generated& one : generated) {
    KernelSource& source = sources.emplace_back(KernelSource{one.source, {}});
    for (const Launch& launch : one.launches) source.functions.push_back(launch.function);
  }
  const std::string text = std::string(kernel_prelude()) + module_texts(sources, 1)[0].source;
  const auto code = compile_cuda(text, CudaArch::of(90), "together");
  ASSERT_TRUE(code.ok()) << code.error().message;
}

// The later ones, which take a little longer, draw much less.
TEST_F(GpuTunerTest, ForEnergyTheLeastJoulesWin) {
  at_launch_ = [this](size_t number, double seconds) { nvml_.draw(number < 2 ? 500 : 300, seconds); };
  open();
  options_.most_on_gpu = 3;
  options_.meter = nvml_.meter();
  options_.weighing.now = [this] { return nvml_.now(); };
  options_.weighing.wait = [this](double seconds) { nvml_.draw(100, seconds); };
  const Choice fastest = choose_product();
  EXPECT_NEAR(*fastest.candidates[0].seconds, 0.01, 1e-4);
  EXPECT_FALSE(fastest.candidates[0].joules);
  for (const Objective objective : {Objective::energy, Objective::edp}) {
    options_.objective = objective;
    kernels_.clear();
    const Choice choice = choose_product();
    EXPECT_EQ(hits_, 0) << "the objective is part of the key";
    ASSERT_EQ(timed(choice), 3);
    EXPECT_NEAR(*choice.candidates[0].seconds, 0.0104, 1e-4);
    EXPECT_NEAR(choice.candidates[0].joules->value, 0.0104 * 300, 0.1);
    EXPECT_NEAR(choice.candidates[1].joules->value, 0.01 * 500, 0.2);
    EXPECT_EQ(choose_product(), choice);
    EXPECT_EQ(hits_, 1);
  }
  nvml_.stuck = true;
  cache_ = {};
  Tuner tuner(options_, cache_, pool_);
  const Result<Chosen> chosen = tuner.choose(product_.problem, product_.constants);
  ASSERT_FALSE(chosen.ok());
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "--objective edp: the energy counter did not move", chosen.error().message);
  EXPECT_EQ(parse_objective("edp").value(), Objective::edp);
  EXPECT_EQ(parse_objective("joules").error().code, ErrorCode::usage);
}

TEST_F(GpuTunerTest, ForThroughputSeveralRunsAreUnderWayAtOnce) {
  open();
  options_.most_on_gpu = 2;
  options_.objective = Objective::throughput;
  const Choice choice = choose_product();
  EXPECT_EQ(timed(choice), 2);
  EXPECT_NEAR(*choice.candidates[0].seconds, 0.01, 1e-4);
  const std::vector<std::string> calls = fake_.call_names();
  EXPECT_EQ(std::count(calls.begin(), calls.end(), "stream_create"), 4);
  EXPECT_EQ(choose_product(), choice);
  EXPECT_EQ(hits_, 1);
  options_.objective = Objective::latency;
  choose_product();
  EXPECT_EQ(hits_, 0) << "the objective is part of the key";
  EXPECT_EQ(parse_objective("throughput").value(), Objective::throughput);
}

// The faster of two draws more: which is chosen depends on what a second costs.
TEST_F(GpuTunerTest, APriceOfSecondsChoosesAnewOutOfTheCache) {
  at_launch_ = [this](size_t number, double seconds) { nvml_.draw(number == 0 ? 500 : 300, seconds); };
  open();
  options_.most_on_gpu = 2;
  options_.meter = nvml_.meter();
  options_.weighing.now = [this] { return nvml_.now(); };
  options_.weighing.wait = [this](double seconds) { nvml_.draw(100, seconds); };
  options_.objective = Objective::energy;
  Tuner tuner(options_, cache_, pool_);
  const Choice cheap = tuner.choose(product_.problem, product_.constants)->choice;
  EXPECT_NEAR(cheap.candidates[0].joules->value, 0.0102 * 300, 0.1);
  // 1.94 J more for 0.2 ms less: 9700 W.
  tuner.set_price(Watts{5000});
  EXPECT_EQ(tuner.choose(product_.problem, product_.constants)->choice.config, cheap.config);
  tuner.set_price(Watts{20000});
  const Choice fast = tuner.choose(product_.problem, product_.constants)->choice;
  EXPECT_NEAR(*fast.candidates[0].seconds, 0.01, 1e-4);
  EXPECT_EQ(fast.config, fast.candidates[0].config);
  EXPECT_EQ(fast.row, fast.candidates[0].row);
  tuner.set_price({});
  EXPECT_EQ(tuner.choose(product_.problem, product_.constants)->choice, cheap) << "the cache keeps what was chosen";
  EXPECT_EQ(tuner.measured(), 2);
}

TEST_F(GpuTunerTest, JoulesBoundTheTuner) {
  at_launch_ = [this](size_t, double seconds) { nvml_.draw(300, seconds); };
  open();
  options_.most_on_gpu = 2;
  options_.meter = nvml_.meter();
  options_.joules_in_all = Joules{10};
  Tuner tuner(options_, cache_, pool_);
  const auto choose = [&](int64_t rows) {
    Problem problem = product_.problem;
    problem.inputs[0].shape[0] = problem.outputs[0].shape[0] = Dim(rows);
    return tuner.choose(problem, product_.constants).value().choice;
  };
  EXPECT_EQ(timed(choose(128)), 2);
  EXPECT_EQ(timed(choose(256)), 0) << "more than 10 J are gone";
  EXPECT_EQ(cache_.size(), 1u) << "what was not measured is not remembered";
  // A reading that is absent is no reading of 0.
  options_.joules_in_all = Joules{1e9};
  Tuner blind(options_, cache_, pool_);
  nvml_.energy = nvml::kUnknown;
  Problem problem = product_.problem;
  problem.inputs[0].shape[0] = problem.outputs[0].shape[0] = Dim(512);
  EXPECT_EQ(timed(blind.choose(problem, product_.constants).value().choice), 0);
  nvml_.energy = nvml::kSuccess;
  EXPECT_EQ(timed(blind.choose(problem, product_.constants).value().choice), 2);
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
