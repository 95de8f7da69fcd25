// SPDX-License-Identifier: Apache-2.0
#include "runtime/device_program.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "device/cuda/testing/fake_driver.h"

namespace mj {
namespace {

Tensor code(std::string_view text) {
  return Tensor::of<uint8_t>({static_cast<int64_t>(text.size())},
                             {reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

// A step for each code, without operands.
Plan plan_of(const std::vector<std::string_view>& codes) {
  Plan plan;
  for (const std::string_view text : codes) {
    Step& step = plan.steps.emplace_back();
    step.device = DeviceCode{code(text), {{"kernel", {2, 1, 1}, {32, 1, 1}, 0, {}, text == "b"}}, 0, {}};
  }
  return plan;
}

TEST(DeviceProgram, EqualCodeIsLoadedOnce) {
  FakeDriver fake;
  const Plan plan = plan_of({"a", "b", "a", "b", "b", "ab"});
  {
    const auto program = DeviceProgram::make(plan, CudaDevice::open(0, fake.driver()).value());
    ASSERT_TRUE(program.ok()) << program.error().message;
    const std::vector<std::string> calls = fake.call_names();
    EXPECT_EQ(std::count(calls.begin(), calls.end(), "module_load_data"), 3);
    EXPECT_EQ(std::count(calls.begin(), calls.end(), "module_get_function"), 3) << "nor is a function looked up twice";
    EXPECT_EQ((*program)->load_times().modules, 3);
  }
  EXPECT_EQ(fake.left(), "");
}

// One kernel, started by two steps with different amounts of shared memory.
TEST(DeviceProgram, AFunctionMayHaveAllTheSharedMemoryThatItsStepsAskFor) {
  FakeDriver fake;
  Plan plan = plan_of({"a", "a", "a"});
  plan.steps[1].device->launches[0].shared_bytes = 100 << 10;
  plan.steps[2].device->launches[0].shared_bytes = 50 << 10;
  const std::shared_ptr<CudaDevice> device = CudaDevice::open(0, fake.driver()).value();
  const auto program = DeviceProgram::make(plan, device).value();
  const CudaStream stream = CudaStream::create(device).value();
  for (const size_t step : {0, 1, 2}) EXPECT_TRUE(program->launch(step, stream, {}, {}, {}, nullptr).ok()) << step;
}

TEST(DeviceProgram, ConstantsAreUploadedOnceEach) {
  FakeDriver fake;
  Plan plan = plan_of({"a", "b"});
  const Tensor weights = Tensor::of<float>({3}, std::array{1.0f, 2.0f, 3.0f});
  const Tensor more = Tensor::of<float>({100}, std::vector<float>(100, 0.5f));
  plan.steps[0].packed = {weights, more};
  plan.steps[1].packed = {weights};
  {
    ThreadPool pool(2);
    const auto program = DeviceProgram::make(plan, CudaDevice::open(0, fake.driver()).value(), &pool).value();
    EXPECT_EQ(program->constant_bytes(), 256 + 512);
    EXPECT_EQ(static_cast<const float*>(program->address(weights))[2], 3);
    EXPECT_EQ(static_cast<const float*>(program->address(more))[99], 0.5f);
    const std::vector<std::string> calls = fake.call_names();
    EXPECT_EQ(std::count(calls.begin(), calls.end(), "memcpy_htod_async"), 1);
  }
  EXPECT_EQ(fake.left(), "");
}

TEST(DeviceProgram, LaunchesOverlapWhereTheirStepSaysSo) {
  FakeDriver fake;
  const Plan plan = plan_of({"a", "b"});
  const std::shared_ptr<CudaDevice> device = CudaDevice::open(0, fake.driver()).value();
  const auto program = DeviceProgram::make(plan, device).value();
  const CudaStream stream = CudaStream::create(device).value();
  for (const size_t step : {0, 1}) ASSERT_TRUE(program->launch(step, stream, {}, {}, {}, nullptr).ok());
  const std::vector<FakeLaunch> launches = fake.launches();
  ASSERT_EQ(launches.size(), 2u);
  EXPECT_FALSE(launches[0].overlaps);
  EXPECT_TRUE(launches[1].overlaps);
}

}  // namespace
}  // namespace mj
