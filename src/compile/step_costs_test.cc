// SPDX-License-Identifier: Apache-2.0
// Steps replayed on a GPU that is emulated: how long a launch takes and what it draws is made up.
#include "runtime/step_costs.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "compile/emulated_engine_test_util.h"
#include "energy/testing/fake_nvml.h"
#include "import/onnx_builder_test_util.h"

namespace mj {
namespace {

namespace onnx_test = onnx::test;

// y = softmax(relu(x * w)); `on_host`: a step without a kernel for GPUs before it, and an addition to that in place.
std::string costly_model(bool on_host) {
  onnx_test::GraphBuilder graph;
  graph.input("x", {"N", 2}).initializer(onnx_test::floats("w", {2, 3}, {1, 0, -1, 2, 1, 0}));
  graph.initializer(onnx_test::floats("one", {1}, {1}));
  std::string x = "x";
  if (on_host) {
    graph.node("Hardmax", {"x"}, {"s"}, {}, "hardmax").node("Add", {"s", "one"}, {"z"}, {}, "add");
    graph.output("z");
    x = "z";
  }
  graph.node("MatMul", {x, "w"}, {"h"}, {}, "dense").node("Relu", {"h"}, {"r"}, {}, "relu");
  graph.node("Softmax", {"r"}, {"y"}, {}, "softmax").output("y");
  return onnx_test::model(graph);
}

class StepCostsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!can_emulate()) GTEST_SKIP() << "there is no C++ compiler to emulate a GPU with";
    options_.replay_seconds = 2e-3;
    options_.replays = 3;
    options_.whole_seconds = 0.001;
    options_.energy.settle_seconds = 0;
    options_.energy.idle_seconds = 2;
    options_.energy.warm_up_seconds = 0.1;
    options_.energy.window_seconds = 5;
    options_.energy.windows = 1;
    options_.energy.now = [this] { return nvml_.now(); };
    options_.energy.wait = [this](double seconds) { nvml_.draw(100, seconds); };
  }

  Result<std::shared_ptr<Engine>> engine(bool on_host) { return engine_on(gpu_, costly_model(on_host), "step_costs"); }
  // From now on a launch takes a millisecond at 300 W, one of a softmax three.
  void take_time() {
    gpu_.driver().on_launch = [this, run = gpu_.driver().on_launch](const FakeLaunch& launch) {
      run(launch);
      const double seconds = launch.function.find("softmax") == std::string::npos ? 1e-3 : 3e-3;
      gpu_.driver().advance(seconds);
      nvml_.draw(300, seconds);
    };
  }
  static bool is_softmax(const Step& step) { return step.device && step.problem.op.name() == "softmax"; }

  FakeNvml nvml_;
  EmulatedGpu gpu_;
  StepCostOptions options_;
  const std::vector<Tensor> x_ = {Tensor::of<float>({2, 2}, std::array{1.0f, 2.0f, -3.0f, 0.5f})};
};

TEST_F(StepCostsTest, EachStepIsReplayedWhereItIs) {
  const Result<std::shared_ptr<Engine>> engine = this->engine(false);
  ASSERT_TRUE(engine.ok()) << engine.error().message;
  std::vector<Tensor> want, got;
  ASSERT_TRUE((*engine)->run(x_, want).ok());
  take_time();
  const Result<StepCosts> costs = measure_step_costs(*engine, x_, options_);
  ASSERT_TRUE(costs.ok()) << costs.error().message;
  const Plan& plan = (*engine)->program().plan();
  ASSERT_EQ(costs->steps.size(), plan.steps.size());
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    ASSERT_TRUE(costs->steps[i]) << "copies too";
    EXPECT_FALSE(costs->steps[i]->energy);
    const double seconds = !plan.steps[i].device ? 0 : is_softmax(plan.steps[i]) ? 3e-3 : 1e-3;
    EXPECT_NEAR(costs->steps[i]->seconds, seconds, 1e-4);
  }
  ASSERT_TRUE(costs->whole);
  EXPECT_GT(costs->whole->seconds, 0);
  ASSERT_TRUE((*engine)->run(x_, got).ok());
  EXPECT_TRUE(identical(got[0], want[0]));
  EXPECT_EQ(gpu_.fault(), "");
}

TEST_F(StepCostsTest, AStepInPlaceFindsItsInputAgain) {
  const Result<std::shared_ptr<Engine>> engine = this->engine(true);
  ASSERT_TRUE(engine.ok()) << engine.error().message;
  const Plan& plan = (*engine)->program().plan();
  EXPECT_TRUE(std::any_of(plan.steps.begin(), plan.steps.end(),
                          [](const Step& step) { return step.device && !step.device->in_place.empty(); }));
  std::vector<Tensor> want, got;
  ASSERT_TRUE((*engine)->run(x_, want).ok());
  RunOptions run;
  std::vector<size_t> seen;
  run.replay = [&](size_t step, const CudaStream& stream, const RunOptions::Again& again) -> Result<void> {
    seen.push_back(step);
    for (int i = 0; i < 3; ++i) MJ_TRY(again());
    return stream.synchronize();
  };
  ASSERT_TRUE((*engine)->run(x_, got, run).ok());
  for (size_t i = 0; i < want.size(); ++i) EXPECT_TRUE(identical(got[i], want[i])) << i;
  for (const size_t step : seen) EXPECT_TRUE(plan.steps[step].device) << "copies to the host are not replayed here";
  EXPECT_EQ(static_cast<int64_t>(seen.size()), std::count_if(plan.steps.begin(), plan.steps.end(),
                                                             [](const Step& step) { return step.device.has_value(); }));
  take_time();
  const Result<StepCosts> costs = measure_step_costs(*engine, x_, options_);
  ASSERT_TRUE(costs.ok()) << costs.error().message;
  EXPECT_FALSE(costs->whole) << "there is no graph of it";
  for (size_t i = 0; i < plan.steps.size(); ++i)
    EXPECT_EQ(costs->steps[i].has_value(), plan.steps[i].device.has_value());
}

TEST_F(StepCostsTest, JoulesAreThoseOfARun) {
  const Result<std::shared_ptr<Engine>> engine = this->engine(false);
  ASSERT_TRUE(engine.ok()) << engine.error().message;
  take_time();
  const std::unique_ptr<NvmlMeter> meter = nvml_.meter();
  options_.meter = meter.get();
  size_t weighed = 0;
  options_.progress = [&](size_t done, size_t) { weighed = done + 1; };
  const Result<StepCosts> costs = measure_step_costs(*engine, x_, options_);
  ASSERT_TRUE(costs.ok()) << costs.error().message;
  const Plan& plan = (*engine)->program().plan();
  Joules sum{};
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const StepCost& cost = *costs->steps[i];
    EXPECT_EQ(cost.energy.has_value(), plan.steps[i].device.has_value()) << "copies are too small a share";
    if (!cost.energy) continue;
    EXPECT_EQ(cost.energy->why_not, "");
    EXPECT_EQ(cost.energy->windows.size(), 4u);
    EXPECT_NEAR(cost.energy->mean.value, 300 * cost.seconds, 0.02 * 300 * cost.seconds);
    EXPECT_LT(cost.energy->ci95->value, 0.05 * cost.energy->mean.value);
    sum = sum + cost.energy->mean;
  }
  EXPECT_EQ(static_cast<int64_t>(weighed), std::count_if(plan.steps.begin(), plan.steps.end(),
                                                         [](const Step& step) { return step.device.has_value(); }));
  ASSERT_TRUE(costs->whole && costs->whole->energy);
  EXPECT_NEAR(costs->whole->energy->mean.value, sum.value, 0.03 * sum.value);
  EXPECT_NEAR(costs->whole->energy->idle_watts->value, 100, 2);
}

// N2, N4 and N5 are the meter's: what it makes of them arrives here.
TEST_F(StepCostsTest, ASensorThatFailsIsNoError) {
  const Result<std::shared_ptr<Engine>> engine = this->engine(false);
  ASSERT_TRUE(engine.ok()) << engine.error().message;
  take_time();
  nvml_.stuck = true;
  const std::unique_ptr<NvmlMeter> meter = nvml_.meter();
  options_.meter = meter.get();
  const Result<StepCosts> costs = measure_step_costs(*engine, x_, options_);
  ASSERT_TRUE(costs.ok()) << costs.error().message;
  EXPECT_NE(costs->whole->energy->why_not, "");
  for (const std::optional<StepCost>& step : costs->steps) {
    if (!step->energy) continue;
    EXPECT_PRED_FORMAT2(testing::IsSubstring, "did not move", step->energy->why_not);
  }
}

TEST_F(StepCostsTest, EveryFailingCallIsAnError) {
  const Result<std::shared_ptr<Engine>> engine = this->engine(false);
  ASSERT_TRUE(engine.ok()) << engine.error().message;
  options_.replay_seconds = 1e-9;  // one run
  options_.replays = 1;
  options_.whole_seconds = 1e-9;
  ASSERT_TRUE(measure_step_costs(*engine, x_, options_).ok());
  const int64_t before = gpu_.driver().calls();
  ASSERT_TRUE(measure_step_costs(*engine, x_, options_).ok());
  const int64_t calls = gpu_.driver().calls() - before;
  int64_t errors = 0, tried = 0;
  for (int64_t n = 1; n <= calls; n += 1 + calls / 50, ++tried) {  // each run takes a while
    gpu_.driver().fail_nth(n);
    const Result<StepCosts> costs = measure_step_costs(*engine, x_, options_);
    if (costs.ok()) continue;
    ++errors;
    EXPECT_EQ(costs.error().code, ErrorCode::environment) << n << ": " << costs.error().message;
  }
  gpu_.driver().fail_nth(1'000'000);
  EXPECT_GT(errors, tried / 2);  // the others give things back
  ASSERT_TRUE(measure_step_costs(*engine, x_, options_).ok());
}

}  // namespace
}  // namespace mj
