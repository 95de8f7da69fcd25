// SPDX-License-Identifier: Apache-2.0
#include "device/cuda/driver.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <thread>

#include "device/cuda/testing/fake_driver.h"

namespace mj {
namespace {

TEST(CudaDriver, SaysWhenThereIsNone) {
  const auto none = load_cuda_driver("libcuda_that_is_not_there.so.1");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, ErrorCode::environment);
  EXPECT_EQ(none.error().message.find("no NVIDIA driver: libcuda_that_is_not_there.so.1: "), 0u)
      << none.error().message;
  EXPECT_PRED_FORMAT2(testing::IsSubstring, "install the driver of the GPU", none.error().message);
}

TEST(CudaDriver, NamesWhatALibraryLacks) {
  const auto other = load_cuda_driver("libm.so.6");
  EXPECT_EQ(other.error().message,
            "the NVIDIA driver is too old: it lacks cuInit; install one that supports CUDA 12.0 or newer (525.60 or "
            "newer)");
}

TEST(CudaDriver, IsTooOldOrDoesNotStart) {
  FakeDriver fake;
  EXPECT_TRUE(start_cuda_driver(fake.driver()).ok());
  fake.facts.driver_version = 11080;
  EXPECT_EQ(start_cuda_driver(fake.driver()).error().message,
            "the NVIDIA driver is too old: it supports CUDA 11.8; install one that supports CUDA 12.0 or newer (525.60 "
            "or newer)");
  fake.facts.driver_version = 12000;
  fake.init_status = cuda::kSystemDriverMismatch;
  EXPECT_EQ(start_cuda_driver(fake.driver()).error().message, "starting the NVIDIA driver: CUDA error (803)");
  fake.init_status = cuda::kSuccess;
  fake.devices = 0;
  EXPECT_EQ(start_cuda_driver(fake.driver()).error().message,
            "starting the NVIDIA driver: CUDA_ERROR_NO_DEVICE (100): no CUDA-capable device is detected");
}

TEST(CudaDriver, IsLoadedOnceForAllThreads) {
  std::vector<const CudaDriver*> found(4);
  std::vector<std::thread> threads;
  for (const CudaDriver*& driver : found) {
    threads.emplace_back([&] {
      const auto loaded = cuda_driver();
      driver = loaded.ok() ? *loaded : nullptr;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const CudaDriver* driver : found) EXPECT_EQ(driver, found[0]);
}

// The toolkit's stand-in for linking has every symbol, and starts nothing.
TEST(CudaDriver, FindsEverySymbolOfTheToolkitsStub) {
  const std::string stub = "/usr/local/cuda/lib64/stubs/libcuda.so";
  (void)cuda_driver();  // first: the stub calls itself libcuda.so.1 too
  if (!dlopen(stub.c_str(), RTLD_LAZY | RTLD_LOCAL)) GTEST_SKIP() << "no CUDA toolkit for this processor";
  const auto loaded = load_cuda_driver(stub);
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  EXPECT_FALSE(start_cuda_driver(*loaded).ok());
}

}  // namespace
}  // namespace mj
