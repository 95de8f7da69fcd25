// SPDX-License-Identifier: Apache-2.0
#include "energy/nvml.h"

#include <gtest/gtest.h>

#include "energy/testing/fake_nvml.h"

namespace mj {
namespace {

std::string why_no_meter(FakeNvml& fake) {
  const auto meter = NvmlMeter::open(FakeNvml::kUuid, fake.nvml, [] { return 0.0; });
  EXPECT_EQ(fake.held, meter.ok() ? 1 : 0) << "NVML is left where there is no meter";
  return meter.ok() ? "" : meter.error().message;
}

TEST(Nvml, CountsFromItsMaking) {
  FakeNvml fake;
  fake.draw(200, 10);
  const std::unique_ptr<NvmlMeter> meter = fake.meter();
  EXPECT_DOUBLE_EQ(meter->read()->value, 0);
  fake.draw(200, 10);
  EXPECT_DOUBLE_EQ(meter->read()->value, 2000);
  EXPECT_EQ(meter->source(), "nvml-counter");
  EXPECT_EQ(meter->scope(), "GPU board: Board");
}

TEST(Nvml, ReadsTheOtherSensors) {
  FakeNvml fake;
  fake.processes = 3;
  const GpuReadings now = fake.meter()->readings();
  EXPECT_DOUBLE_EQ(*now.watts, 300);
  EXPECT_DOUBLE_EQ(*now.power_limit_watts, 700);
  EXPECT_EQ(now.sm_clock_mhz, 1980);
  EXPECT_EQ(now.temperature_c, 54);
  EXPECT_EQ(now.memory_used_bytes, 400);
  EXPECT_EQ(now.utilization_percent, 99);
  EXPECT_EQ(now.other_processes, 2);
}

TEST(Nvml, SensorsThatABoardLacksAreAbsentAloneAndNeverZero) {
  FakeNvml fake;
  fake.nvml.temperature = nullptr;
  fake.nvml.clock_info = [](nvml::Device, nvml::Clock, unsigned*) { return nvml::kNotSupported; };
  fake.sensed_watts = 0;
  fake.processes = 0;
  const std::unique_ptr<NvmlMeter> meter = fake.meter();
  const GpuReadings now = meter->readings();
  EXPECT_FALSE(now.temperature_c || now.sm_clock_mhz || now.watts || now.other_processes);
  EXPECT_EQ(now.memory_used_bytes, 400);
  EXPECT_TRUE(meter->read());
  EXPECT_EQ(meter->events(), 0);
}

TEST(Nvml, N1NoLibrary) {
  const Result<Nvml> nvml = load_nvml("libno-such-nvml.so.1");
  ASSERT_FALSE(nvml.ok());
  EXPECT_EQ(nvml.error().code, ErrorCode::environment);
  EXPECT_NE(nvml.error().message.find("libno-such-nvml.so.1"), std::string::npos);
}

TEST(Nvml, N1ALibraryWithoutTheSymbols) {
  const Result<Nvml> nvml = load_nvml("libm.so.6");
  ASSERT_TRUE(nvml.ok());
  EXPECT_FALSE(NvmlMeter::open(FakeNvml::kUuid, *nvml, [] { return 0.0; }).ok());
  EXPECT_FALSE(nvml_gpus(*nvml).ok());
  FakeNvml fake;
  fake.nvml.total_energy = nullptr;
  EXPECT_NE(why_no_meter(fake).find("newer NVIDIA driver"), std::string::npos);
}

TEST(Nvml, N1NotSupportedAndNoPermission) {
  FakeNvml fake;
  for (nvml::Status status : {nvml::kNotSupported, nvml::kNoPermission}) {
    fake.energy = status;
    EXPECT_NE(why_no_meter(fake).find("energy counter: what NVML says"), std::string::npos);
  }
}

TEST(Nvml, N1MigIsOn) {
  FakeNvml fake;
  fake.mig = nvml::kMigEnabled;
  EXPECT_NE(why_no_meter(fake).find("MIG"), std::string::npos);
}

TEST(Nvml, N1AnotherGpu) {
  FakeNvml fake;
  const auto meter = NvmlMeter::open("GPU-of-somebody", fake.nvml, [] { return 0.0; });
  ASSERT_FALSE(meter.ok());
  EXPECT_NE(meter.error().message.find("GPU-of-somebody"), std::string::npos);
}

TEST(Nvml, N2ACounterThatGoesBackIsAbsentOnceAndTheSumGoesOn) {
  FakeNvml fake;
  const std::unique_ptr<NvmlMeter> meter = fake.meter();
  fake.draw(100, 10);
  EXPECT_DOUBLE_EQ(meter->read()->value, 1000);
  fake.base_mj = 0;
  EXPECT_FALSE(meter->read());
  EXPECT_EQ(meter->events(), 1);
  fake.draw(100, 1);
  EXPECT_DOUBLE_EQ(meter->read()->value, 1100);
  EXPECT_EQ(meter->events(), 1);
}

TEST(Nvml, N2ADriverThatIsLoadedAgainIsFoundAgain) {
  FakeNvml fake;
  const std::unique_ptr<NvmlMeter> meter = fake.meter();
  fake.draw(100, 10);
  EXPECT_DOUBLE_EQ(meter->read()->value, 1000);
  fake.all = nvml::kUninitialized;
  EXPECT_FALSE(meter->read());
  fake.draw(100, 60);
  EXPECT_FALSE(meter->read());
  fake.all = nvml::kSuccess;
  fake.base_mj = 90'000'000;  // more than before: only that it vanished tells that this is another count
  fake.draw(100, 60);
  EXPECT_FALSE(meter->read());
  fake.draw(100, 1);
  EXPECT_DOUBLE_EQ(meter->read()->value, 1100);
  EXPECT_EQ(meter->events(), 1);
  EXPECT_EQ(fake.held, 1);
}

TEST(Nvml, N2AGpuThatIsLostAndComesBackIsOneEvent) {
  FakeNvml fake;
  const std::unique_ptr<NvmlMeter> meter = fake.meter();
  fake.all = nvml::kGpuIsLost;
  for (int i = 0; i < 20; ++i) {
    fake.draw(0, 0.5);
    EXPECT_FALSE(meter->readings().watts);
    EXPECT_FALSE(meter->read());
  }
  EXPECT_LT(fake.inits, 15) << "it is looked for once a second";
  fake.all = nvml::kSuccess;
  fake.draw(100, 2);
  EXPECT_FALSE(meter->read());
  EXPECT_TRUE(meter->read());
  EXPECT_TRUE(meter->readings().watts);
  EXPECT_EQ(meter->events(), 1);
}

TEST(Nvml, N5ASensorThatFailsForFiveMinutesIsLeftAloneAndResumes) {
  FakeNvml fake;
  const std::unique_ptr<NvmlMeter> meter = fake.meter();
  fake.draw(100, 10);
  EXPECT_DOUBLE_EQ(meter->read()->value, 1000);
  fake.energy = nvml::kUnknown;
  const int before = fake.energy_reads;
  for (int i = 0; i < 3000; ++i) {
    fake.draw(100, 0.1);
    EXPECT_FALSE(meter->read());
  }
  EXPECT_GT(fake.energy_reads - before, 250);
  EXPECT_LT(fake.energy_reads - before, 310) << "asked once a second";
  EXPECT_TRUE(meter->readings().watts) << "the other sensors go on";
  fake.energy = nvml::kSuccess;
  fake.draw(100, 10);
  EXPECT_NEAR(meter->read()->value, 1000 + 100 * 310, 0.1) << "the board counted on";
  EXPECT_EQ(meter->events(), 0);
}

TEST(Nvml, ListsGpusAndWhichCount) {
  FakeNvml fake;
  const Result<std::vector<NvmlGpu>> gpus = nvml_gpus(fake.nvml);
  ASSERT_TRUE(gpus.ok());
  ASSERT_EQ(gpus->size(), 1u);
  EXPECT_EQ((*gpus)[0].uuid, FakeNvml::kUuid);
  EXPECT_EQ((*gpus)[0].why_no_energy, "");
  fake.energy = nvml::kNotSupported;
  EXPECT_NE((*nvml_gpus(fake.nvml))[0].why_no_energy, "");
  EXPECT_EQ(fake.held, 0);
}

}  // namespace
}  // namespace mj
