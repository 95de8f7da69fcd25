// SPDX-License-Identifier: Apache-2.0
#include "energy/gpu_energy.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "energy/report.h"
#include "energy/testing/fake_nvml.h"

namespace mj {
namespace {

// Draws 100 W idle, and 300 W in runs of 10 ms.
class GpuEnergyOf : public testing::Test {
 protected:
  GpuEnergyOf() {
    options_.now = [this] { return fake_.now(); };
    options_.wait = [this](double seconds) { fake_.draw(100, seconds); };
  }
  Result<void> run() {
    ++runs_;
    if (at_run_) at_run_(runs_);
    fake_.draw(300, run_seconds_);
    return {};
  }
  GpuEnergy measure() {
    const std::unique_ptr<NvmlMeter> meter = fake_.meter();
    return measure_gpu_energy(
               *meter, [this] { return run(); }, options_)
        .value();
  }
  EnergyReport report() {
    const std::unique_ptr<NvmlMeter> meter = fake_.meter();
    return measure_energy_of_gpu(
               *meter, [this] { return run(); }, options_, "DEU")
        .value();
  }

  FakeNvml fake_;
  GpuEnergyOptions options_;
  double run_seconds_ = 0.01;
  int runs_ = 0;
  std::function<void(int)> at_run_;
};

TEST_F(GpuEnergyOf, ARunIsGrossAndNetOfIdle) {
  const GpuEnergy energy = measure();
  EXPECT_EQ(energy.why_not, "");
  ASSERT_EQ(energy.windows.size(), 3u);
  EXPECT_NEAR(energy.mean.value, 3, 0.01);
  EXPECT_NEAR(energy.net->value, 2, 0.01);
  EXPECT_NEAR(energy.watts->value, 300, 1);
  EXPECT_NEAR(energy.idle_watts->value, 100, 1);
  EXPECT_NEAR(energy.counter_step->value, 0.1, 0.01);
  EXPECT_LT(energy.ci95->value, 0.03);
  EXPECT_GE(energy.seconds, 15);
  EXPECT_NEAR(energy.seconds, static_cast<double>(energy.runs) * run_seconds_, 1e-6) << "whole runs";
  EXPECT_EQ(energy.sm_clock_mhz, 1980);
  EXPECT_EQ(energy.temperature_c, 54);
}

TEST_F(GpuEnergyOf, RunsLongerThanAWindow) {
  run_seconds_ = 7;
  const GpuEnergy energy = measure();
  EXPECT_EQ(energy.why_not, "");
  EXPECT_NEAR(energy.mean.value, 2100, 30);
}

TEST_F(GpuEnergyOf, WindowsAreFiftyStepsOfASlowCounter) {
  fake_.step = 0.4;
  EXPECT_GE(measure().seconds, 3 * 50 * 0.39);
}

TEST_F(GpuEnergyOf, AFailedRunIsAnError) {
  const std::unique_ptr<NvmlMeter> meter = fake_.meter();
  const auto fail = []() -> Result<void> { return model_error("out of order"); };
  EXPECT_EQ(measure_gpu_energy(*meter, fail, options_).error().message, "out of order");
}

TEST_F(GpuEnergyOf, N1WithoutALibraryIsAbsentAndSaysWhy) {
  if (nvml_library().ok()) GTEST_SKIP() << "there is one";
  const EnergyReport report = measure_energy_of_gpu(
                                  FakeNvml::kUuid, [this] { return run(); }, options_, "")
                                  .value();
  EXPECT_EQ(runs_, 0);
  const nlohmann::ordered_json json = energy_json(report);
  EXPECT_FALSE(json.contains("joules") || json.contains("mj_per_inference") || json.contains("gco2e_per_1000"));
  EXPECT_EQ(json["source"], "none");
  EXPECT_NE(json["why_not"].get<std::string>().find("libnvidia-ml.so.1"), std::string::npos);
}

TEST_F(GpuEnergyOf, N2AWindowWithAResetDoesNotCount) {
  at_run_ = [this](int run) {
    if (run == 500) fake_.base_mj = 0;
  };
  const GpuEnergy energy = measure();
  EXPECT_EQ(energy.windows.size(), 3u);
  EXPECT_NEAR(energy.mean.value, 3, 0.01);
}

TEST_F(GpuEnergyOf, N2ResetsInEveryWindowLeaveNothing) {
  fake_.base_mj = 1'000'000'000'000;
  at_run_ = [this](int run) {
    if (run % 300 == 0) fake_.base_mj -= 1'000'000'000;
  };
  const GpuEnergy energy = measure();
  EXPECT_TRUE(energy.windows.empty());
  EXPECT_NE(energy.why_not, "");
}

TEST_F(GpuEnergyOf, N4ACounterThatIsStuckIsAbsent) {
  fake_.stuck = true;
  EnergyReport stuck = report();
  EXPECT_FALSE(stuck.joules);
  EXPECT_NE(stuck.why_not.find("did not move"), std::string::npos);
  fake_.stuck = false;
  at_run_ = [this](int run) { fake_.stuck = run > 700; };
  stuck = report();
  EXPECT_FALSE(stuck.joules) << "nor one that gets stuck in a window";
  EXPECT_FALSE(energy_json(stuck).contains("joules"));
}

TEST_F(GpuEnergyOf, N4AWindowOfAMillisecondIsLengthened) {
  options_.window_seconds = 0.001;
  const GpuEnergy energy = measure();
  EXPECT_GE(energy.seconds, 3 * 50 * 0.09);
  EXPECT_NEAR(energy.mean.value, 3, 0.01);
}

TEST_F(GpuEnergyOf, N5ACounterThatComesBackIsMeasured) {
  at_run_ = [this](int run) {
    fake_.energy = run < 400 ? nvml::kSuccess : run < 550 ? nvml::kUnknown : nvml::kSuccess;
  };
  EXPECT_NEAR(measure().mean.value, 3, 0.02);
}

TEST_F(GpuEnergyOf, N7ForeignLoadMakesAnUpperBound) {
  fake_.processes = 2;
  const EnergyReport shared = report();
  EXPECT_EQ(energy_json(shared)["shared"], true);
  EXPECT_NE(energy_lines(shared)[2].find("upper bound"), std::string::npos);
}

TEST_F(GpuEnergyOf, AReportHasTheKeysOfEveryMeter) {
  EnergyReport report = this->report();
  report.inferences = 8;
  const nlohmann::ordered_json json = energy_json(report);
  EXPECT_NEAR(json["joules"].get<double>(), 3, 0.01);
  EXPECT_NEAR(json["net_joules"].get<double>(), 2, 0.01);
  EXPECT_NEAR(json["mj_per_inference"].get<double>(), 375, 1);
  EXPECT_NEAR(json["mj_per_inference_net"].get<double>(), 250, 1);
  EXPECT_EQ(json["source"], "nvml-counter");
  EXPECT_EQ(json["scope"], "GPU board: Board");
  EXPECT_EQ(json["gco2e_from"], "joules");
  EXPECT_FALSE(json.contains("modelled_joules"));
  EXPECT_EQ(json["shared"], false);
  EXPECT_NE(energy_lines(report)[0].find("mJ per inference gross"), std::string::npos);
}

TEST_F(GpuEnergyOf, ACounterAndAPowerSensorThatDisagreeAreSaidSo) {
  fake_.sensed_watts = 200;
  const EnergyReport report = this->report();
  EXPECT_NEAR(energy_json(report)["counter_over_power"].get<double>(), 1.5, 0.01);
  EXPECT_NE(energy_lines(report)[2].find("warning"), std::string::npos);
}

}  // namespace
}  // namespace mj
