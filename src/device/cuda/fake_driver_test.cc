// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/testing/fake_driver.h"

#include <gtest/gtest.h>

#include <thread>

#include "device/cuda/memory.h"
#include "device/cuda/stream.h"

namespace mj {
namespace {

TEST(FakeDriver, NoticesWritesBeyondTheEnds) {
  for (const int at : {-256, -1, 10, 265}) {
    FakeDriver fake;
    {
      const auto device = CudaDevice::open(0, fake.driver()).value();
      const CudaBuffer buffer = CudaBuffer::allocate(device, 10).value();
      auto* bytes = static_cast<unsigned char*>(buffer.data());
      EXPECT_EQ(bytes[0], 0xff);
      bytes[0] = bytes[9] = 1;
      EXPECT_EQ(fake.left(), "1 contexts left; 1 buffers left; ");
      bytes[at] = 1;
      EXPECT_EQ(fake.left(), "memory of 10 bytes was written to beyond its ends; 1 contexts left; 1 buffers left; ");
    }
    EXPECT_EQ(fake.left(), "memory of 10 bytes was written to beyond its ends; ");
  }
}

TEST(FakeDriver, WantsTheContextOnTheCallingThread) {
  FakeDriver fake;
  const auto device = CudaDevice::open(0, fake.driver()).value();
  const CudaDriver& driver = fake.driver();
  cuda::Event event = nullptr;
  EXPECT_EQ(driver.event_create(&event, 0), cuda::kInvalidContext);
  ASSERT_TRUE(device->make_current().ok());
  EXPECT_EQ(driver.event_create(&event, 0), cuda::kSuccess);
  std::thread([&] { EXPECT_EQ(driver.event_destroy(event), cuda::kInvalidContext); }).join();
  EXPECT_EQ(driver.event_destroy(event), cuda::kSuccess);
  EXPECT_EQ(driver.event_destroy(event), cuda::kInvalidHandle);  // twice
}

TEST(FakeDriver, FailsTheCallItIsTold) {
  FakeDriver fake;
  const CudaDriver& driver = fake.driver();
  int version = 0;
  fake.fail_nth(2, cuda::kNotReady);
  EXPECT_EQ(driver.driver_version(&version), cuda::kSuccess);
  EXPECT_EQ(driver.driver_version(&version), cuda::kNotReady);
  EXPECT_EQ(driver.driver_version(&version), cuda::kSuccess);
  EXPECT_EQ(fake.calls(), 3);
  EXPECT_EQ(fake.call_names(), std::vector<std::string>(3, "driver_version"));
}

// A kernel that faults: the launch goes well, what follows does not.
TEST(FakeDriver, AKernelMayFault) {
  FakeDriver fake;
  const auto device = CudaDevice::open(0, fake.driver()).value();
  const CudaStream stream = CudaStream::create(device).value();
  const CudaModule module = CudaModule::load(device, std::as_bytes(std::span("code", 4))).value();
  const CudaFunction function = module.function("wild").value();
  fake.on_launch = [&](const FakeLaunch& launch) {
    EXPECT_EQ(launch.function, "wild");
    EXPECT_EQ(launch.code.size(), 4u);
    EXPECT_EQ(launch.args, nullptr);
    fake.fail_nth(2, cuda::kIllegalAddress);
  };
  EXPECT_TRUE(stream.launch(function, {1, 1, 1}, {1, 1, 1}, 0, nullptr).ok());
  const auto waited = stream.synchronize();
  ASSERT_FALSE(waited.ok());
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "waiting for the GPU's work: CUDA_ERROR_ILLEGAL_ADDRESS (700)",
                      waited.error().message);
}

TEST(FakeDriver, LaunchesByConfigurationToo) {
  FakeDriver fake;
  const auto device = CudaDevice::open(0, fake.driver()).value();
  const CudaStream stream = CudaStream::create(device).value();
  const CudaModule module = CudaModule::load(device, std::as_bytes(std::span("code", 4))).value();
  const cuda::LaunchConfig config = {{1, 2, 3}, {4, 5, 6}, 7, stream.get(), nullptr, 0};
  EXPECT_EQ(fake.driver().launch_kernel_ex(&config, module.function("f")->handle, nullptr, nullptr), cuda::kSuccess);
  const std::vector<FakeLaunch> launches = fake.launches();
  ASSERT_EQ(launches.size(), 1u);
  EXPECT_EQ(launches[0].grid, (std::array<unsigned, 3>{1, 2, 3}));
  EXPECT_EQ(launches[0].block, (std::array<unsigned, 3>{4, 5, 6}));
  EXPECT_EQ(launches[0].shared_bytes, 7u);
}

}  // namespace
}  // namespace mj
